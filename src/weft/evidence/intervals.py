"""Intervals of accuracy and loss: of a recipe over seeds, and of one adapter.

A recipe's estimand is the expected score of a training run with a new seed on a new test example
of the same population. Below three seeds only the test examples' noise is covered, and said to be.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats as _stats  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

from weft.evidence.components import components, degrees_of_freedom
from weft.evidence.interval import (
    CROSSED,
    EXAMPLES_ONLY,
    FEWEST_SEEDS,
    ONE_ADAPTER,
    Interval,
    not_offered,
)
from weft.evidence.proportion import score_ends

_scipy = cast(Any, _stats)

_ROUNDING = 1e-12
"""A standard error below this share of the mean is that of the additions, not of the data."""

_RECIPE = "expected {} of this recipe with a new seed, on new examples of the test population"
_SEEDS = "expected {} of these {} trained seeds, on new examples of the test population"
_ADAPTER = "{} of this one adapter on new examples of the test population"


def accuracy_interval(correct: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Interval of a recipe's accuracy: Wilson's, at the effective number of examples.

    With the variance V of the mean (`components`), p (1 - p) / V independent examples would tell as
    much as this table; Wilson's interval is taken at that number with a t quantile, so it stays
    within 0 to 1 and is never empty (E. B. Wilson, Probable inference, the law of succession, and
    statistical inference, JASA 22, 1927; for effective numbers C. Franco, R. J. A. Little,
    T. A. Louis and E. V. Slud, Comparative study of confidence intervals for proportions in
    complex sample surveys, Journal of Survey Statistics and Methodology 7(3), 2019). V is at least
    p (1 - p) / (S n), which holds for the true one. Where every answer, or none, is right, n
    examples are counted: seeds make mistakes together.

    Args:
        correct: (S, n) 1 where seed s is right about example i, else 0; n at least 2.
        level: nominal, 0 to 1.
    """
    assert np.isin(correct, (0, 1)).all(), "an answer is right or wrong"
    return _interval(correct, level, "accuracy", binary=True)


def loss_interval(loss: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Interval of a recipe's mean cross-entropy in nats: a t interval, corrected for skewness.

    Losses have a long right tail, so a plain t interval misses on the high side several times as
    often as on the low one. Hall's cubic transformation of t takes that out (P. Hall, On the
    removal of skewness by transformation, Journal of the Royal Statistical Society B 54(1), 1992).
    The skewness of the mean is read off the examples' means over seeds. With all losses alike no
    interval is offered.

    Args:
        loss: (S, n) in nats, none negative; n at least 2.
        level: nominal, 0 to 1.
    """
    assert (loss >= 0).all(), "cross-entropy is not negative"
    return _interval(loss, level, "loss", binary=False)


def adapter_accuracy(correct: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Wilson's interval of one adapter's own accuracy.

    Args:
        correct: (n,) 1 where it is right, else 0; n at least 2.
        level: nominal, 0 to 1.
    """
    assert np.isin(correct, (0, 1)).all(), "an answer is right or wrong"
    return _interval(correct[None], level, "accuracy", binary=True, adapter=True)


def adapter_loss(loss: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Interval of one adapter's own mean cross-entropy in nats, as `loss_interval`.

    Args:
        loss: (n,) in nats, none negative; n at least 2.
        level: nominal, 0 to 1.
    """
    assert (loss >= 0).all(), "cross-entropy is not negative"
    return _interval(loss[None], level, "loss", binary=False, adapter=True)


def words(score: str, seeds: int, adapter: bool) -> tuple[str, str]:
    """The estimand and the noise covered, for a score over this many seeds or of one adapter."""
    if adapter:
        return _ADAPTER.format(score), ONE_ADAPTER
    if seeds < FEWEST_SEEDS:
        return _SEEDS.format(score, seeds), EXAMPLES_ONLY
    return _RECIPE.format(score), CROSSED


def t_quantile(level: float, df: float) -> float:
    """Two-sided quantile of Student's t; infinite degrees of freedom give the normal's."""
    return float(_scipy.t.ppf((1 + level) / 2, df))


def _interval(
    values: NDArray[np.float64], level: float, score: str, *, binary: bool, adapter: bool = False
) -> Interval:
    """The interval of a table (S, n)."""
    assert values.ndim == 2
    assert 0 < level < 1
    seeds, examples = values.shape
    assert seeds >= 1
    assert examples >= 2, "an interval needs two examples"
    estimand, noise = words(score, seeds, adapter)
    if seeds < FEWEST_SEEDS:
        means = values.mean(axis=0)  # (n,)
        mean = float(means.mean())
        # Wilson's own variance divides by n, a t interval's by n - 1.
        variance = float(means.var(ddof=0 if binary else 1)) / examples
        df = math.inf if binary else float(examples - 1)
    else:
        parts = components(values)
        mean, variance = parts.mean, parts.variance
        share = parts.seed_part / variance if variance > 0 else 0.0
        df = degrees_of_freedom(seeds, share, examples, 1 - level)
    quantile = t_quantile(level, df)
    if binary:
        low, high, variance = _wilson(mean, variance, values.size, examples, quantile)
    elif (error := math.sqrt(variance)) > _ROUNDING * mean:
        third = float(((values.mean(axis=0) - mean) ** 3).mean()) / examples**2
        low, high = (mean - error * _skewed(x, third / error**3) for x in (quantile, -quantile))
        low = max(0.0, low)
    else:
        return not_offered(mean, level, estimand, "every example has the same loss")
    known = None if math.isinf(df) else df
    return Interval(mean, low, high, level, estimand, noise, math.sqrt(variance), known)


def _wilson(
    share: float, variance: float, answers: int, examples: int, quantile: float
) -> tuple[float, float, float]:
    """Bounds of an accuracy, and the variance of it that was used."""
    binomial = share * (1 - share)
    used = max(variance, binomial / answers) if binomial else 0.0
    low, high = score_ends(share, binomial / used if used else examples, quantile)
    return float(low), float(high), used


def _skewed(quantile: float, skewness: float) -> float:
    """The value of t whose transform, corrected for a mean's skewness, is this quantile."""
    if abs(skewness) < 1e-6:
        return quantile
    return 3 / skewness * (math.cbrt(1 + skewness * (quantile - skewness / 6)) - 1)
