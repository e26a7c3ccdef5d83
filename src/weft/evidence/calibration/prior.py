"""Class shares: where training's differ from those met in use, and what that does to probabilities.

M. Saerens, P. Latinne and C. Decaestecker, Adjusting the outputs of a classifier to new a priori
probabilities: a simple procedure, Neural Computation 14(1), 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOTICEABLE = 0.02
"""A shift from this on is worth a warning."""


@dataclass(frozen=True)
class Shift:
    """Class shares (C,) of training, and those of the texts that the model will meet."""

    trained: NDArray[np.float64]
    met: NDArray[np.float64]

    @property
    def size(self) -> float:
        """Share of examples that would have to change their label: half the summed distance."""
        return float(np.abs(self.trained - self.met).sum() / 2)

    @property
    def noticeable(self) -> bool:
        """Whether probabilities should be corrected, or at least a reader be warned."""
        return self.size >= NOTICEABLE

    @property
    def factors(self) -> NDArray[np.float64]:
        """(C,) by which each class's probability is multiplied; 1 for what training lacked."""
        known = self.trained > 0
        return np.where(known, self.met / np.where(known, self.trained, 1), 1.0)


def shift(trained: Sequence[float], met: Sequence[float]) -> Shift:
    """From counts or shares of the C classes, in their order; each is brought to a sum of 1."""
    ours, theirs = (np.asarray(given, dtype=np.float64) for given in (trained, met))
    assert ours.shape == theirs.shape
    assert ours.sum() > 0
    assert theirs.sum() > 0
    return Shift(ours / ours.sum(), theirs / theirs.sum())


def corrected(probabilities: NDArray[np.float64], change: Shift) -> NDArray[np.float64]:
    """(B, C) for the new shares: p(c) times met(c) / trained(c), brought to a sum of 1.

    It holds where only the shares differ, and texts of one class are alike in both.
    """
    rows = probabilities * change.factors
    totals = rows.sum(axis=1, keepdims=True)
    return np.where(totals > 0, rows / np.where(totals > 0, totals, 1), probabilities)
