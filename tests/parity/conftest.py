"""Tiny checkpoints for the tests in this folder, and the three ways to compute a step.

Every test runs with each: the compiled kernels, their plain twins, and transformers' own layers
over strips, which are the twin of the flat layers as a whole.
"""

from __future__ import annotations

import pytest

from weft.nn.native import library

from .. import tiny
from ..tiny import checkpoint

__all__ = ["checkpoint"]


@pytest.fixture(params=["kernels", "plain", "strips"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "kernels" and library.instructions() is None:
        pytest.skip("the kernels are not built here: `make env` builds them where it can")
    if request.param == "plain":
        monkeypatch.setattr(library, "serves", lambda _: False)
    if request.param == "strips":
        monkeypatch.setattr(tiny, "FORM", "strips")
    return request.param
