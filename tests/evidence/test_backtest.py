"""Scoring forecasts: figures by hand, baselines beside closed forms, when a forecast is earned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tests.evidence.ladders import SIZES, ladder, power

from weft.evidence.backtest import (
    LEVEL,
    WAYS,
    Case,
    Judged,
    Summary,
    Way,
    earned,
    interval_score,
    judge,
    lead,
    summarised,
)
from weft.evidence.baselines import last_value, log_linear
from weft.evidence.ladder import Ladder, ladder_of


def case(data: str, turn: int, truth: tuple[int, ...] = (16000, 32000), **shape: float) -> Case:
    rng = np.random.default_rng([turn, len(data)])
    both = ladder(rng, sizes=(*SIZES, *truth), **shape)
    return Case(
        data,
        str(turn),
        {size: list(both[size]) for size in SIZES},
        {size: list(both[size]) for size in truth},
    )


def test_the_interval_score_by_hand() -> None:
    assert interval_score(0.80, 0.90, 0.85, 0.9) == pytest.approx(0.10)
    assert interval_score(0.80, 0.90, 0.78, 0.9) == pytest.approx(0.10 + 20 * 0.02)
    assert interval_score(0.80, 0.90, 0.91, 0.9) == pytest.approx(0.10 + 20 * 0.01)
    assert interval_score(0.80, 0.90, 0.91, 0.5) == pytest.approx(0.10 + 4 * 0.01)


def test_the_interval_score_is_least_for_the_true_quantiles() -> None:
    outcomes = np.random.default_rng(0).standard_normal(20000)

    def mean(half: float) -> float:
        return float(np.mean([interval_score(-half, half, one, 0.9) for one in outcomes]))

    assert mean(1.645) < min(mean(1.3), mean(2.0))


# Baselines


def test_the_last_value_and_its_band() -> None:
    found = ladder_of(ladder(np.random.default_rng(1)))
    assert isinstance(found, Ladder)
    made = last_value(found, (16000, 32000), 0.9)
    last = found.scores[-1]
    half = stats.t.ppf(0.95, 2) * last.std(ddof=1) * np.sqrt(2 / 3)
    np.testing.assert_allclose(made.mean, last.mean())
    np.testing.assert_allclose(made.low, last.mean() - half)
    np.testing.assert_allclose(made.high, last.mean() + half)


def test_the_last_values_band_covers_where_nothing_changes() -> None:
    rng = np.random.default_rng(2)
    inside: list[bool] = []
    for _ in range(1000):
        found = ladder_of(ladder(rng, drop=0.0))
        assert isinstance(found, Ladder)
        made = last_value(found, (16000,), 0.9)
        inside.append(
            bool(made.low[0] <= 0.9 + 0.005 * rng.standard_normal(3).mean() <= made.high[0])
        )
    assert 0.87 <= np.mean(inside) <= 0.93


def test_the_line_is_least_squares_and_its_band_the_prediction_interval() -> None:
    found = ladder_of(ladder(np.random.default_rng(3)))
    assert isinstance(found, Ladder)
    x, y = np.repeat(np.log(SIZES), 3), found.scores.ravel()
    (slope, intercept), unscaled = np.polyfit(x, y, 1, cov="unscaled")
    residual = y - intercept - slope * x
    s2 = residual @ residual / (18 - 2)
    made = log_linear(found, (16000, 32000), 0.9)
    for place, size in enumerate((16000, 32000)):
        at = np.array([np.log(size), 1.0])
        half = stats.t.ppf(0.95, 16) * np.sqrt(s2 * (1 / 3 + at @ unscaled @ at))
        assert made.mean[place] == pytest.approx(at @ [slope, intercept])
        assert made.high[place] - made.mean[place] == pytest.approx(half)
        assert made.mean[place] - made.low[place] == pytest.approx(half)


def test_baselines_bear_holes() -> None:
    scores = ladder(np.random.default_rng(4))
    scores[8000] = scores[8000][:1]
    scores[250][0] = np.nan
    found = ladder_of(scores)
    assert isinstance(found, Ladder)
    assert last_value(found, (16000,), 0.9).mean[0] == pytest.approx(scores[4000].mean())
    assert np.isfinite(log_linear(found, (16000,), 0.9).high).all()


# Judging


def test_every_way_is_judged_on_every_outcome() -> None:
    rows = judge([case("one", 0), case("one", 1)])
    assert len(rows) == 2 * 3 * 2
    assert {row.way for row in rows} == set(WAYS)
    assert {(row.size, row.factor) for row in rows} == {(16000, 2.0), (32000, 4.0)}
    only = next(row for row in rows if row.way == "last value" and row.name == "1")
    truth = np.mean(case("one", 1).truth[only.size])
    assert only.truth == pytest.approx(truth)
    assert only.miss == pytest.approx(only.mean - truth)


def test_a_back_test_may_look_farther_than_a_user() -> None:
    rows = judge([case("one", 0, truth=(56000,))])
    assert {row.factor for row in rows} == {7.0}


def test_on_power_laws_the_forecast_is_earned() -> None:
    cases = [case(name, turn) for name in ("one", "three") for turn in range(6)]
    summaries = summarised(judge(cases))
    assert earned(summaries) == {"one": True, "three": True, "all": True}
    ours = next(one for one in summaries if (one.data, one.way) == ("all", "forecast"))
    assert ours.miss < 0.01
    assert (ours.forecasts, ours.ladders) == (24, 12)


def row(data: str, way: Way, low: float, high: float, truth: float = 0.9) -> Judged:
    return Judged(data, "0", way, 16000, 2.0, truth, (low + high) / 2, low, high)


def test_summaries_by_hand_and_data_sets_count_alike() -> None:
    rows = [
        row("a", "forecast", 0.88, 0.92),
        row("a", "forecast", 0.80, 0.86),
        row("b", "forecast", 0.85, 0.95),
    ]
    rows += [row(data, way, 0.0, 1.0) for data in "ab" for way in WAYS[1:]]
    found = {(one.data, one.way): one for one in summarised(rows)}
    a = found["a", "forecast"]
    assert a.miss == pytest.approx((0.0 + 0.07) / 2)
    assert a.bias == pytest.approx((0.0 - 0.07) / 2)
    assert a.coverage == 0.5
    assert a.width == pytest.approx(0.05)
    assert a.interval_score == pytest.approx((0.04 + 0.06 + 20 * 0.04) / 2)
    both = found["all", "forecast"]
    assert both.forecasts == 3
    assert both.coverage == pytest.approx((0.5 + 1.0) / 2)


def test_a_lead_is_the_mean_difference_with_its_interval_over_ladders() -> None:
    rows = judge([case("one", turn) for turn in range(6)])
    mean, low, high = lead(rows, "one", "log-linear", np.random.default_rng(0))
    ours, theirs = (
        np.mean([one.interval_score for one in rows if one.way == way])
        for way in ("forecast", "log-linear")
    )
    assert mean == pytest.approx(ours - theirs)
    assert low < mean < high
    assert lead(rows, "one", "forecast", np.random.default_rng(0)) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [((1.0, 2.0, 3.0), True), ((2.0, 2.0, 3.0), False), ((2.5, 2.0, 3.0), False)],
)
def test_a_forecast_is_earned_only_where_it_beats_both(
    scores: tuple[float, float, float], verdict: bool
) -> None:
    summaries = [
        Summary("a", way, 1, 1, 0.0, 0.0, 1.0, 0.0, score)
        for way, score in zip(WAYS, scores, strict=True)
    ]
    assert earned(summaries) == {"a": verdict}


def test_the_curves_of_the_tests_are_what_they_say() -> None:
    assert power([250])[0] == pytest.approx(0.75)
    assert LEVEL == 0.9
