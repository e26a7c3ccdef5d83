"""Made-up predictions whose truth is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.randomness import generator_for


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def calibrated(
    count: int, classes: int = 3, *name: str | int, spread: float = 2.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits (B, C) whose softmax is each class's true probability, and labels drawn by it."""
    rng = generator_for("calibrated", count, classes, *name)
    logits = rng.normal(0, spread, (count, classes))
    bounds = softmax(logits).cumsum(axis=1)
    labels = (rng.random((count, 1)) > bounds).sum(axis=1)
    return logits, np.minimum(labels, classes - 1).astype(np.int64)
