"""Scoring forecasts whose outcome is known, beside the baselines that they have to beat.

The interval score is that of T. Gneiting and A. E. Raftery, Strictly proper scoring rules,
prediction, and estimation, 2007: the band's width, plus 2 / (1 - level) times how far the outcome
lies outside. Smaller is better, and no band does well by being wide or by being narrow alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weft.evidence.baselines import last_value, log_linear
from weft.evidence.forecast import Forecast, curve_of
from weft.evidence.ladder import Refusal, ladder_of
from weft.evidence.rule import FROZEN, Rule
from weft.randomness import generator_for

Way = Literal["forecast", "last value", "log-linear"]
WAYS: tuple[Way, ...] = ("forecast", "last value", "log-linear")
LEVEL = 0.9


@dataclass(frozen=True)
class Case:
    """One ladder whose continuation is known."""

    data: str
    """The data set: cases of one are no independent evidence, so they are averaged first."""
    name: str
    """Which seeds or permutations; the forecast's draws depend on it."""
    scores: Mapping[int, Sequence[float]]
    """Accuracies by size, one a seed: what the forecast is made of."""
    truth: Mapping[int, Sequence[float]]
    """Of the same seeds at larger sizes; their mean is what is forecast."""


@dataclass(frozen=True)
class Judged:
    """One forecast of one size, held against the outcome; scores are shares."""

    data: str
    name: str
    way: Way
    size: int
    factor: float
    """Size over the ladder's largest."""
    truth: float
    mean: float
    low: float
    high: float

    @property
    def miss(self) -> float:
        """Forecast less outcome."""
        return self.mean - self.truth

    @property
    def covered(self) -> bool:
        """Whether the band holds the outcome."""
        return self.low <= self.truth <= self.high

    @property
    def interval_score(self) -> float:
        """Of the band, a share."""
        return interval_score(self.low, self.high, self.truth, LEVEL)


@dataclass(frozen=True)
class Summary:
    """Means over the forecasts of one way; shares."""

    data: str
    way: Way
    forecasts: int
    ladders: int
    miss: float
    """Mean absolute."""
    bias: float
    """Mean of forecast less outcome."""
    coverage: float
    width: float
    interval_score: float


def interval_score(low: float, high: float, outcome: float, level: float) -> float:
    """Width of a central band at `level`, and the penalty for an outcome outside; in its units."""
    outside = max(low - outcome, outcome - high, 0.0)
    return (high - low) + 2 / (1 - level) * outside


def judge(cases: Iterable[Case], rule: Rule = FROZEN) -> list[Judged]:
    """Every way's forecast of every known outcome, the forecast's reach unbounded.

    A case that bears no forecast is an error of the back-test's design.
    """
    rows: list[Judged] = []
    for case in cases:
        ladder = ladder_of(case.scores)
        assert not isinstance(ladder, Refusal), f"{case.data}, {case.name}: {ladder}"
        at = sorted(case.truth)
        curve = curve_of(ladder, generator_for("back-test", case.data, case.name), rule)
        sizes: NDArray[np.float64] = np.array(at, dtype=np.float64)
        made: dict[Way, Forecast] = {
            "forecast": Forecast(tuple(at), curve.mean(sizes), *curve.band(sizes, LEVEL), LEVEL),
            "last value": last_value(ladder, at, LEVEL),
            "log-linear": log_linear(ladder, at, LEVEL),
        }
        for way, one in made.items():
            for place, size in enumerate(at):
                rows.append(
                    Judged(
                        case.data,
                        case.name,
                        way,
                        size,
                        size / ladder.largest,
                        float(np.mean(case.truth[size])),
                        float(one.mean[place]),
                        float(one.low[place]),
                        float(one.high[place]),
                    )
                )
    return rows


def summarised(rows: Sequence[Judged]) -> list[Summary]:
    """A summary per data set and way, and per way the mean of the data sets, called `all`."""
    names = list(dict.fromkeys(row.data for row in rows))
    found: list[Summary] = []
    for name in names:
        for way in WAYS:
            found.append(_mean(name, way, [r for r in rows if (r.data, r.way) == (name, way)]))
    for way in WAYS:
        own = [one for one in found if one.way == way]
        found.append(
            Summary(
                "all",
                way,
                sum(one.forecasts for one in own),
                sum(one.ladders for one in own),
                *(
                    float(np.mean([getattr(one, figure) for one in own]))
                    for figure in ("miss", "bias", "coverage", "width", "interval_score")
                ),
            )
        )
    return found


def earned(summaries: Sequence[Summary]) -> dict[str, bool]:
    """By data set, `all` among them: whether the forecast's interval score beats both baselines'.

    Where it does not, no forecast may be printed.
    """
    score = {(one.data, one.way): one.interval_score for one in summaries}
    return {
        name: all(score[name, "forecast"] < score[name, way] for way in WAYS[1:])
        for name in dict.fromkeys(one.data for one in summaries)
    }


def lead(
    rows: Sequence[Judged], data: str, way: Way, rng: np.random.Generator
) -> tuple[float, float, float]:
    """The forecast's mean interval score less another way's, and its 95 % interval; shares.

    The interval is a percentile bootstrap over ladders, whose forecasts of several sizes hang
    together. All ladders of a data set share its test set and its pool, which it cannot know.
    """
    names = list(dict.fromkeys(row.name for row in rows if row.data == data))
    differences = np.array(
        [
            _of_ladder(rows, data, name, "forecast") - _of_ladder(rows, data, name, way)
            for name in names
        ]
    )
    drawn = differences[rng.integers(0, len(names), (2000, len(names)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)


def _of_ladder(rows: Sequence[Judged], data: str, name: str, way: Way) -> float:
    own = [r.interval_score for r in rows if (r.data, r.name, r.way) == (data, name, way)]
    return float(np.mean(own))


def _mean(name: str, way: Way, rows: Sequence[Judged]) -> Summary:
    return Summary(
        name,
        way,
        len(rows),
        len({row.name for row in rows}),
        float(np.mean([abs(row.miss) for row in rows])),
        float(np.mean([row.miss for row in rows])),
        float(np.mean([row.covered for row in rows])),
        float(np.mean([row.high - row.low for row in rows])),
        float(np.mean([row.interval_score for row in rows])),
    )
