"""How far seeds scatter at each size, pooled over the ladder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SLOPES = np.linspace(0.0, 1.5, 16)
_LEAST = 1e-3
"""Of a score's standard deviation: few seeds, scored on few examples, can agree by chance."""


@dataclass(frozen=True)
class Scatter:
    """Variance of a score over seeds, as a power of the size.

    One size's few seeds say little of their own variance; that it falls with size as a power is
    what all of them are asked for together.
    """

    first: float
    """The smallest size."""
    variance: float
    """At that size, a share squared."""
    slope: float
    """The variance falls as size to this power."""

    def sd(self, sizes: Floats) -> Floats:
        """Standard deviation of one seed's score at sizes (M,), a share."""
        variance = self.variance * (sizes / self.first) ** -self.slope
        return np.maximum(np.sqrt(variance), _LEAST)


def scatter(sizes: Floats, scores: Floats) -> Scatter:
    """The likeliest variance and slope for normal scores, the slope from a grid of 0 to 1.5.

    Args:
        sizes: (K,) ascending.
        scores: (K, S) shares; NaN where a seed has no score at a size. Some size has two.
    """
    there = np.isfinite(scores)
    counts = there.sum(axis=1)
    means = np.where(there, scores, 0.0).sum(axis=1) / np.maximum(counts, 1)
    squares = np.where(there, scores - means[:, None], 0.0) ** 2
    freedom, sums = np.maximum(counts - 1, 0), squares.sum(axis=1)  # (K,)
    total = float(freedom.sum())
    assert total > 0, "a spread needs two seeds at some size"
    fall = (sizes / sizes[0])[None, :] ** -_SLOPES[:, None]  # (slopes, K)
    variance = np.maximum((sums / fall).sum(axis=1) / total, _LEAST**2)
    likelihood = -total * np.log(variance) - np.log(fall) @ freedom
    best = int(likelihood.argmax())
    return Scatter(float(sizes[0]), float(variance[best]), float(_SLOPES[best]))
