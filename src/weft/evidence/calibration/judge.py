"""How good probabilities are: Brier score and log loss, an example at a time and as means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats as _stats  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

from weft.evidence.scores import SMALLEST

_scipy = cast(Any, _stats)


@dataclass(frozen=True)
class Estimate:
    """A mean over examples and its interval."""

    value: float
    low: float
    high: float
    level: float = 0.95


def brier_each(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(B,) Brier scores: squared differences to the truth summed over all classes, 0 to 2.

    For two classes that is twice the score of the positive class's column alone, which some
    libraries give. G. W. Brier, Verification of forecasts expressed in terms of probability, 1950.

    Args:
        probabilities: (B, C) of each class.
        labels: (B,) true classes.
    """
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(labels)), labels] = 1
    return ((probabilities - truth) ** 2).sum(axis=1)


def log_loss_each(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(B,) negative logarithms of the true class's probability, nats, 36 at most.

    Args:
        probabilities: (B, C) of each class.
        labels: (B,) true classes.
    """
    of_true = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.clip(of_true, SMALLEST, 1.0))


def mean_interval(values: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Mean and t interval over examples: what another sample of examples would change, not seeds.

    With one example, or with all alike, the interval cannot be told from the values: its ends are
    then NaN.

    Args:
        values: (B,) one an example, at least one.
        level: of the interval.
    """
    assert values.ndim == 1
    count = len(values)
    assert count > 0, "a mean needs at least one example"
    mean = float(values.mean())
    error = float(values.std(ddof=1)) / count**0.5 if count > 1 else 0.0
    if error == 0:
        return Estimate(mean, float("nan"), float("nan"), level)
    half = float(_scipy.t.ppf(0.5 + level / 2, count - 1)) * error
    return Estimate(mean, mean - half, mean + half, level)
