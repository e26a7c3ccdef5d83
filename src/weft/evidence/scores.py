"""The scores of one run on one split. No library is loaded for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """Scores of one run on one split."""

    examples: int
    loss: float  # mean cross-entropy, nats
    accuracy: float  # share, 0 to 1
    f1: float  # of the positive class for two classes, macro otherwise
    precision: float
    recall: float
    confusion: tuple[tuple[int, ...], ...]  # [true class][predicted class], counts
