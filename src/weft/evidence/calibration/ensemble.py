"""The seeds of one method and size together: one answer from the mean of their probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.evidence.scores import Scores


def average(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, B, C) of S seeds -> (B, C)."""
    assert probabilities.ndim == 3
    return probabilities.mean(axis=0)


def ensemble_scores(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], positive: int | None
) -> Scores:
    """The ensemble's own scores: not the mean of its members', and mostly better.

    Args:
        labels: (B,) true classes.
        probabilities: (S, B, C) of S seeds.
        positive: the positive class where C is 2; None: macro averages.

    Raises:
        TrainingError: a probability is not a number.
    """
    from weft.evidence.metrics import score  # loads scikit-learn, which `average` does without

    return score(labels, average(probabilities), positive)
