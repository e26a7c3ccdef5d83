"""The methods of a study, by name."""

from __future__ import annotations

from weft.methods.base import Materials, Method
from weft.methods.bitfit import Bitfit
from weft.methods.full import Full
from weft.methods.lora import Lora
from weft.methods.probe import Probe
from weft.methods.tfidf import Tfidf


def make(name: str, materials: Materials) -> Method:
    """The method of that name over a study's materials."""
    kinds = {"bitfit": Bitfit, "full": Full, "lora": Lora, "probe": Probe, "tfidf": Tfidf}
    return kinds[name](materials)
