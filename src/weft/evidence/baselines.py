"""What a forecast has to beat: the last value, and a straight line in the logarithm of size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from scipy import stats as _stats  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

from weft.evidence.forecast import Forecast
from weft.evidence.ladder import Ladder

# SciPy has no types; what comes out of it is cast where it is used.
_t = cast(Any, _stats).t


def last_value(ladder: Ladder, at: Sequence[int], level: float) -> Forecast:
    """The mean score at the largest size that has several seeds, at every size.

    Its band is that of a new mean of as many seeds: t with S - 1 degrees of freedom, standard error
    sd sqrt(2 / S).
    """
    scores = ladder.scores[np.flatnonzero(ladder.seeds > 1)[-1]]
    scores = scores[np.isfinite(scores)]
    seeds = len(scores)
    half = _quantile(level, seeds - 1) * scores.std(ddof=1) * np.sqrt(2 / seeds)
    return _shaped(at, np.full(len(at), scores.mean()), np.full(len(at), half), level)


def log_linear(ladder: Ladder, at: Sequence[int], level: float) -> Forecast:
    """Least squares of score on the logarithm of size, all runs alike.

    Its band is the regression's prediction interval for a new mean of S seeds: residual variance
    times 1 / S and the leverage of the size.
    """
    there = np.isfinite(ladder.scores)
    y = ladder.scores[there]
    x = np.broadcast_to(np.log(ladder.sizes)[:, None], there.shape)[there]
    centred = x - x.mean()
    slope = (centred @ y) / (centred @ centred)
    residual = y - y.mean() - slope * centred
    freedom = len(y) - 2
    asked = np.log(np.array(at, dtype=np.float64)) - x.mean()
    leverage = 1 / len(y) + asked**2 / (centred @ centred)
    error = np.sqrt((residual @ residual) / freedom * (1 / ladder.seeds.max() + leverage))
    return _shaped(at, y.mean() + slope * asked, _quantile(level, freedom) * error, level)


def _quantile(level: float, freedom: int) -> float:
    return float(_t.ppf((1 + level) / 2, freedom))


def _shaped(at: Sequence[int], mean: Any, half: Any, level: float) -> Forecast:
    low, high = np.clip(mean - half, 0.0, 1.0), np.clip(mean + half, 0.0, 1.0)
    return Forecast(tuple(at), np.clip(mean, 0.0, 1.0), low, high, level)
