"""The certificate of an export: its logits beside weft's on the same texts. No torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

FILE = "certificate.json"
SCHEMA = 1
FEWEST = 256
"""Texts that a certificate stands on at least."""
_ROUNDING = 1e-4
_INT8_LABELS = 0.95


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tolerance(_Plain):
    """What an export must keep to."""

    logits: float | None
    """Largest difference of a logit, in shares of the largest logit (at least 1); None: no bound,
    since weights of 8 bits change every logit."""
    labels: float
    """Least share of texts with the same most probable label."""


FLOAT = Tolerance(logits=_ROUNDING, labels=0.99)
INT8 = Tolerance(logits=None, labels=_INT8_LABELS)


class Comparison(_Plain):
    """An export's logits beside those of weft."""

    beside: str
    """Which of weft's, e.g. `weft in float32`."""
    largest_logit_difference: float
    mean_logit_difference: float
    label_agreement: float
    """Share of the texts."""


class Certificate(_Plain):
    """What was measured, on what, by what; the schema version comes first."""

    schema_version: int = SCHEMA
    passed: bool
    target: Literal["peft", "merged", "onnx"]
    int8: bool
    tolerance: Tolerance
    comparisons: list[Comparison]
    """The first is held against the tolerance; others tell how the model differs from what `weft
    predict` says in another number format."""
    largest_logit: float
    """In weft's, by size."""
    texts: int
    source: str
    """Where the texts come from."""
    loaded_by: dict[str, str]
    """Libraries of the fresh process, with versions."""
    absent: list[str]
    """What could not be imported there."""
    weft: str
    python: str
    machine: str
    date: str
    temperature: float
    temperature_place: Literal["weft.json", "in the head's weights"]
    files: dict[str, str]
    """sha256 by name."""


def compared(beside: str, theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> Comparison:
    """Both (B, C)."""
    assert theirs.shape == ours.shape
    apart = np.abs(theirs - ours)
    same = theirs.argmax(axis=1) == ours.argmax(axis=1)
    return Comparison(
        beside=beside,
        largest_logit_difference=float(apart.max()),
        mean_logit_difference=float(apart.mean()),
        label_agreement=float(same.mean()),
    )


def keeps(found: Comparison, tolerance: Tolerance, largest_logit: float) -> bool:
    """Whether an export is what it is said to be; a logit that is no number never is."""
    if not np.isfinite(found.largest_logit_difference):
        return False
    bound = tolerance.logits
    near = bound is None or found.largest_logit_difference <= bound * max(1.0, largest_logit)
    return near and found.label_agreement >= tolerance.labels


def sentence(own: Certificate) -> str:
    """What was found, for the card and the terminal."""
    first = own.comparisons[0]
    bound = own.tolerance.logits
    limit = (
        "no bound on logits"
        if bound is None
        else (f"at most {bound * max(1.0, own.largest_logit):.1e}")
    )
    verdict = "passed" if own.passed else "FAILED"
    return (
        f"{verdict}: on {own.texts:,} texts the largest logit difference is "
        f"{first.largest_logit_difference:.1e} ({limit}), and {first.label_agreement:.2%} of the "
        f"labels agree (at least {own.tolerance.labels:.0%})"
    )


def hashes(folder: Path, but: tuple[str, ...]) -> dict[str, str]:
    """sha256 of each file directly in a folder, by name."""
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in but:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
