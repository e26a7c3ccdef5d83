"""The seeds of one method and size together: one answer from the mean of their probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, B, C) of S seeds -> (B, C)."""
    assert probabilities.ndim == 3
    return probabilities.mean(axis=0)
