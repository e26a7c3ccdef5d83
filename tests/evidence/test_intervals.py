"""Intervals of accuracy and loss against statsmodels, SciPy and cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import log_loss

from weft.evidence.components import components, degrees_of_freedom
from weft.evidence.interval import CROSSED, EXAMPLES_ONLY, ONE_ADAPTER
from weft.evidence.intervals import (
    accuracy_interval,
    adapter_accuracy,
    adapter_loss,
    loss_interval,
)
from weft.evidence.proportion import score_ends
from weft.evidence.recipe import score_intervals
from weft.randomness import generator_for

RNG = generator_for("tests", "intervals")


def table(seeds: int, examples: int, shift: float = 2.0) -> NDArray[np.float64]:
    """Answers of seeds that find the same examples hard."""
    difficulty = 3 * RNG.standard_normal(examples)
    return (difficulty + shift + RNG.logistic(size=(seeds, examples)) > 0).astype(np.float64)


def test_components_are_those_of_the_analysis_of_variance() -> None:
    pd = pytest.importorskip("pandas")
    formula = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    values = RNG.standard_normal((4, 7)) + RNG.standard_normal(7) + RNG.standard_normal((4, 1))
    rows, columns = np.indices(values.shape)
    frame = pd.DataFrame({"y": values.ravel(), "s": rows.ravel(), "i": columns.ravel()})
    squares = anova.anova_lm(formula.ols("y ~ C(s) + C(i)", frame).fit())["mean_sq"]
    found = components(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.seed_part == pytest.approx(squares["C(s)"] / 28)
    assert found.example_part == pytest.approx((squares["C(i)"] - squares["Residual"]) / 28)
    assert found.variance == pytest.approx(found.seed_part + found.example_part)


def test_the_estimated_variance_is_that_of_the_mean() -> None:
    means, estimates = [], []
    for _ in range(3000):
        values = RNG.standard_normal((4, 1)) + 3 * RNG.standard_normal(9)
        found = components(values + 2 * RNG.standard_normal((4, 9)))
        means.append(found.mean)
        estimates.append(found.variance)
    truth = 1 / 4 + 9 / 9 + 4 / 36
    assert np.var(means) == pytest.approx(truth, rel=0.1)
    assert np.mean(estimates) == pytest.approx(truth, rel=0.05)


def test_a_negative_component_is_cut_and_the_seeds_mean_squares_stay() -> None:
    opposed = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0]])
    found = components(opposed)
    assert found.example_part == 0
    assert found.variance == found.seed_part == pytest.approx(opposed.mean(axis=1).var(ddof=1) / 3)


@pytest.mark.parametrize(
    ("seeds", "guard", "power"),
    [(3, 1, 1.5), (3, 2, 1.0), (5, 1, 1.75), (5, 2, 1.5), (11, 2, 1.8), (7, 0, 2.0)],
)
def test_degrees_of_freedom_by_hand(seeds: int, guard: int, power: float) -> None:
    def df(share: float, alpha: float = 0.05) -> float:
        return degrees_of_freedom(seeds, share, 1000, alpha, guard)

    assert df(1.0) == pytest.approx(seeds - 1)  # as the t interval over seeds has
    assert df(0.5) == df(0.5, 0.5) == pytest.approx((seeds - 1) * 2**power)
    assert df(1e-9) == df(0.0) == 999
    assert df(0.5, 0.05**2) == pytest.approx((seeds - 1) * 2 ** (power / 2))


def test_with_many_seeds_they_are_satterthwaites() -> None:
    share, seeds = 0.4, 2001
    parts, free = np.array([share, 1 - share]), np.array([seeds - 1, np.inf])
    satterthwaite = parts.sum() ** 2 / (parts**2 / free).sum()
    assert degrees_of_freedom(seeds, share, 10**6) == pytest.approx(satterthwaite, rel=2e-3)


def test_an_interval_without_examples_noise_is_the_t_interval_over_seeds() -> None:
    by_seed = np.array([0.2, 0.3, 0.45, 0.4])
    loss = np.repeat(by_seed[:, None], 50, axis=1)
    low, high = stats.t.interval(0.95, 3, by_seed.mean(), stats.sem(by_seed))
    found = loss_interval(loss)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.df == pytest.approx(3)
    assert found.noise == CROSSED


@pytest.mark.parametrize(("right", "examples"), [(0, 10), (3, 10), (170, 200), (200, 200)])
def test_one_adapters_accuracy_is_wilsons(right: int, examples: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    low, high = proportion.proportion_confint(right, examples, method="wilson")
    found = adapter_accuracy((np.arange(examples) < right).astype(np.float64))
    assert found.estimate == pytest.approx(right / examples)
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)
    assert (found.noise, found.df) == (ONE_ADAPTER, None)
    assert "this one adapter" in found.estimand


def test_below_three_seeds_training_noise_is_not_measured() -> None:
    one, two = table(1, 300), table(2, 300)
    assert accuracy_interval(one).noise == EXAMPLES_ONLY
    assert accuracy_interval(one).low == adapter_accuracy(one[0]).low
    found = accuracy_interval(two)
    assert found.noise == EXAMPLES_ONLY
    assert "2 trained seeds" in found.estimand
    p, variance = two.mean(), two.mean(axis=0).var() / 300
    bounds = score_ends(p, p * (1 - p) / variance, stats.norm.ppf(0.975))
    assert (found.low, found.high) == (pytest.approx(bounds[0]), pytest.approx(bounds[1]))
    assert loss_interval(np.exp(two)).noise == EXAMPLES_ONLY
    assert accuracy_interval(table(3, 300)).noise == CROSSED


def test_of_losses_that_are_not_skewed_the_t_interval_is_left() -> None:
    loss = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    low, high = stats.t.interval(0.9, 4, 0.3, stats.sem(loss))
    found = adapter_loss(loss, level=0.9)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_right_tail_moves_the_interval_of_the_loss_up() -> None:
    loss = RNG.exponential(size=200) ** 2
    found = adapter_loss(loss)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.estimate > 1.2 * (found.estimate - found.low)
    t, error = stats.t.ppf(0.975, 199), stats.sem(loss)
    skew = stats.skew(loss) * (loss.std() / loss.std(ddof=1)) ** 3 / math.sqrt(200)
    for bound, quantile in ((found.low, t), (found.high, -t)):
        seen = (found.estimate - bound) / error
        transformed = seen + skew * (2 * seen**2 + 1) / 6 + skew**2 * seen**3 / 27
        assert transformed == pytest.approx(quantile)


def test_nothing_but_right_answers_leave_room_for_mistakes() -> None:
    for seeds, quantile in ((1, 1.959964), (2, 1.959964), (5, stats.t.ppf(0.975, 99))):
        found = accuracy_interval(np.ones((seeds, 100)))
        assert found.estimate == found.high == 1.0
        assert found.low == pytest.approx(1 / (1 + quantile**2 / 100))


def test_seeds_that_cancel_out_still_leave_an_interval() -> None:
    halves = np.zeros((2, 100))
    halves[0, ::2] = halves[1, 1::2] = 1
    assert halves.mean(axis=0).var() == 0
    found = accuracy_interval(halves)
    assert found.low == pytest.approx(score_ends(0.5, 200, 1.959964)[0])


def test_losses_that_are_all_alike_have_no_interval() -> None:
    for loss in (np.full((3, 10), math.log(2)), np.array([[0.1] * 10, [0.7] * 10])):
        found = loss_interval(loss)
        assert not found.offered
        assert (found.low, found.high, found.standard_error) == (None, None, None)
        assert found.noise == "no interval: every example has the same loss"


@given(st.integers(1, 6), st.integers(2, 40), st.integers(0, 2**32 - 1), st.floats(0.5, 0.99))
def test_bounds_lie_around_the_estimate_and_within_the_scale(
    seeds: int, examples: int, draw: int, level: float
) -> None:
    rng = np.random.default_rng(draw)
    answers = (rng.random((seeds, examples)) < rng.random()).astype(np.float64)
    found = accuracy_interval(answers, level)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.high <= 1
    assert found.high - found.low > 1e-4
    wider = accuracy_interval(answers, (1 + level) / 2)
    assert wider.low is not None
    assert wider.low <= found.low + 1e-12


def test_a_recipes_scores_from_probabilities() -> None:
    labels = RNG.integers(0, 2, 60)
    of_one = np.clip(labels + 0.45 * RNG.standard_normal((4, 60)), 0.02, 0.98)
    probabilities = np.stack([1 - of_one, of_one], axis=2)
    found, adapters = score_intervals(probabilities, labels, 1, generator_for("a"))
    alone = adapters[2]
    assert found.accuracy.estimate == pytest.approx(((of_one > 0.5) == labels).mean())
    assert alone.loss.estimate == pytest.approx(log_loss(labels, of_one[2]))
    for interval in (found.accuracy, found.f1, found.loss):
        assert interval.noise == CROSSED
    for interval in (alone.accuracy, alone.f1, alone.loss):
        assert interval.noise == ONE_ADAPTER
