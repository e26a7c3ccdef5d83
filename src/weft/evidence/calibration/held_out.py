"""Validation examples as a choice shows them in which they had no part: cross-fitting.

Validation chooses a run's epoch, or its C, by its lowest loss. What is then fitted on the same
examples would be fitted where the choice was luckiest. So the examples are cut into folds, and of
each fold are kept the probabilities of the candidate that the other folds alone would choose. The
choice itself stays that of all examples. V. Chernozhukov et al., Double/debiased machine learning
for treatment and structural parameters, The Econometrics Journal 21(1), 2018.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.randomness import generator_for

FOLDS = 5
"""Parts that cross-fitting cuts the examples into."""


def folds_of(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(V,) fold of each example; folds hold about equal parts of each class.

    Args:
        labels: (V,) true classes; they and nothing else decide the folds.
    """
    shuffled = generator_for("calibration folds", len(labels)).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % FOLDS
    return fold


class HeldOut:
    """Looks at candidates one after the other and keeps what each fold is shown.

    Args:
        rows: (V, C) kept so far, of candidates seen before; None: of none.
        losses: (K,) mean loss, on the other folds, of the candidate that each fold is shown.
    """

    def __init__(
        self, rows: NDArray[np.float64] | None = None, losses: NDArray[np.float64] | None = None
    ) -> None:
        self.rows = rows
        self.losses = np.full(FOLDS, np.inf) if losses is None else losses

    def see(
        self,
        rows: NDArray[np.float64],
        losses: NDArray[np.float64],
        labels: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Takes note of one more candidate; of equal ones the first stays, as in the choice.

        Args:
            rows: (V, C) logits or probabilities, always the same of the two.
            losses: (V,) of each example.
            labels: (V,) true classes.
            weights: (V,) of each example's loss in the choice; None: all alike.
        """
        fold = folds_of(labels)
        weights = np.ones(len(labels)) if weights is None else weights
        if self.rows is None:
            self.rows = np.array(rows)
        for own in range(FOLDS):
            others = fold != own
            counted = max(float(weights[others].sum()), np.finfo(np.float64).tiny)
            loss = float((weights * losses)[others].sum()) / counted
            if loss < self.losses[own]:
                self.losses[own] = loss
                self.rows[~others] = rows[~others]
