"""The scores of one run on one split. No library is loaded for them."""

from __future__ import annotations

import sys
from dataclasses import dataclass

SMALLEST = sys.float_info.epsilon
"""A probability of zero for the true class counts as this (scikit-learn's own floor), 36 nats."""


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
