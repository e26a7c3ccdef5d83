"""From probabilities to intervals: the three scores of a recipe, and of each of its adapters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.evidence.f1 import f1_intervals
from weft.evidence.interval import Interval
from weft.evidence.intervals import (
    accuracy_interval,
    adapter_accuracy,
    adapter_loss,
    loss_interval,
)
from weft.evidence.scores import SMALLEST


@dataclass(frozen=True)
class ScoreIntervals:
    """One interval a score."""

    accuracy: Interval
    f1: Interval
    loss: Interval  # nats


def correctness(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(S, n) 1 where the likeliest class is the true one, else 0.

    Args:
        probabilities: (S, n, C) of each class.
        labels: (n,) true classes, 0 to C - 1.
    """
    return (probabilities.argmax(axis=2) == labels).astype(np.float64)


def losses(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(S, n) cross-entropy of each example in nats, as `metrics.score` has it.

    Args:
        probabilities: (S, n, C) of each class.
        labels: (n,) true classes, 0 to C - 1.
    """
    of_true = probabilities[:, np.arange(len(labels)), labels]  # (S, n)
    return -np.log(np.clip(of_true, SMALLEST, 1.0))


def score_intervals(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    positive: int | None,
    generator: np.random.Generator,
    level: float = 0.95,
) -> tuple[ScoreIntervals, tuple[ScoreIntervals, ...]]:
    """Intervals of a recipe's expected scores, and of the own scores of each of its S adapters.

    The recipe's are over seeds and test examples; an adapter's say nothing of another seed.

    Args:
        probabilities: (S, n, C) of each class by each seed; rows sum to 1, n at least 2.
        labels: (n,) true classes, 0 to C - 1.
        positive: the positive class where C is 2; None: macro averages.
        generator: draws the bootstrap of F1.
        level: nominal, 0 to 1.
    """
    assert probabilities.ndim == 3
    assert probabilities.shape[1] == len(labels)
    classes, predicted = probabilities.shape[2], probabilities.argmax(axis=2)
    right, loss = correctness(probabilities, labels), losses(probabilities, labels)
    f1, alone = f1_intervals(predicted, labels, classes, positive, generator, level=level)
    recipe = ScoreIntervals(accuracy_interval(right, level), f1, loss_interval(loss, level))
    return recipe, tuple(
        ScoreIntervals(adapter_accuracy(right[s], level), alone[s], adapter_loss(loss[s], level))
        for s in range(len(right))
    )
