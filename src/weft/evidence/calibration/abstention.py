"""What a model is worth when it may keep silent where it is least sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.evidence.proportion import wilson

COVERAGES = (0.5, 0.8, 0.9, 0.95, 1.0)
"""Shares of the examples at which the curve is read."""


@dataclass(frozen=True)
class Curve:
    """Accuracy among the surest k of B examples, for k = 1 to B: (B,) each."""

    coverage: NDArray[np.float64]  # k / B
    accuracy: NDArray[np.float64]
    low: NDArray[np.float64]  # 95 % interval at each point by itself (Wilson)
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Kept:
    """The curve at one coverage."""

    coverage: float
    examples: int  # answered
    accuracy: float
    low: float
    high: float


def curve(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Curve:
    """Accuracy against coverage, the surest answers first.

    Examples of equal confidence come in no order: each counts as their mean. The curve follows
    Y. Geifman and R. El-Yaniv, Selective classification for deep neural networks, 2017.

    Args:
        probabilities: (B, C) of each class, at least one row.
        labels: (B,) true classes.
    """
    assert len(labels) > 0, "a curve needs an example"
    confidence = probabilities.max(axis=1)  # (B,)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)  # (B,)
    _, group = np.unique(-confidence, return_inverse=True)  # 0 is the surest
    means = np.bincount(group, weights=right) / np.bincount(group)
    kept = np.arange(1, len(labels) + 1)
    hits = np.cumsum(means[np.sort(group)])
    accuracy = np.minimum(hits / kept, 1.0)
    low, high = wilson(accuracy * kept, kept)
    return Curve(kept / len(labels), accuracy, low, high)


def at(found: Curve, coverages: Sequence[float] = COVERAGES) -> list[Kept]:
    """The curve read at shares of the examples; a share that is no whole number is rounded up."""
    total = len(found.coverage)
    # 0.95 * 100 is a hair above 95
    places = [max(int(np.ceil(share * total - 1e-9)), 1) - 1 for share in coverages]
    return [
        Kept(
            coverage=share,
            examples=place + 1,
            accuracy=float(found.accuracy[place]),
            low=float(found.low[place]),
            high=float(found.high[place]),
        )
        for share, place in zip(coverages, places, strict=True)
    ]
