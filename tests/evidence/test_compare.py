"""Paired differences, exact McNemar, Holm, equivalence and the family, against the textbooks'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from weft.evidence.compare import Cell, compare, equivalences, pairs
from weft.evidence.difference import paired_difference
from weft.evidence.equivalence import equivalence
from weft.evidence.holm import holm, holm_levels
from weft.evidence.interval import CROSSED, EXAMPLES_ONLY
from weft.evidence.mcnemar import mcnemar_exact
from weft.randomness import generator_for

RNG = generator_for("tests", "compare")


def answers(seeds: int, examples: int, accuracy: float = 0.8) -> NDArray[np.float64]:
    return (RNG.random((seeds, examples)) < accuracy).astype(np.float64)


# Differences


def test_one_seed_is_the_paired_t_test() -> None:
    first, second = answers(1, 120, 0.9), answers(1, 120)
    theirs = stats.ttest_rel(first[0], second[0])
    found = paired_difference(first, second)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval() == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.noise == EXAMPLES_ONLY


def test_two_seeds_are_the_t_test_of_the_examples_mean_differences() -> None:
    first, second = answers(2, 120, 0.9), answers(2, 120)
    theirs = stats.ttest_1samp((first - second).mean(axis=0), 0)
    found = paired_difference(first, second)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval(0.9) == pytest.approx(tuple(theirs.confidence_interval(0.9)))


def test_where_examples_add_nothing_it_is_the_paired_t_test_over_seeds() -> None:
    first, second = np.zeros((4, 40)), np.zeros((4, 40))
    for seed, gain in enumerate((3, 5, 4, 8)):
        first[seed, 10 * seed : 10 * seed + gain] = 1  # no example is gained twice
    theirs = stats.ttest_rel(first.mean(axis=1), second.mean(axis=1))
    found = paired_difference(first, second)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval() == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.noise == CROSSED
    assert found.df() == pytest.approx(3)
    assert found.df(1e-9) == pytest.approx(3)


def test_pairing_takes_out_what_seeds_share() -> None:
    hard = np.linspace(-3, 3, 300)
    common = hard + RNG.logistic(size=(5, 300)) + RNG.standard_normal((5, 1))
    first, second = (common > -0.3).astype(np.float64), (common > 0).astype(np.float64)
    assert paired_difference(first, second).standard_error < 0.5 * (
        paired_difference(first, second[::-1]).standard_error
    )


@given(
    st.integers(1, 5),
    st.integers(2, 30),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_p_and_interval_agree_at_every_level(
    seeds: int, examples: int, draw: int, one: float, other: float
) -> None:
    rng = np.random.default_rng(draw)
    first, second = ((rng.random((seeds, examples)) < p).astype(np.float64) for p in (one, other))
    found = paired_difference(first, second)
    for level in (0.5, 0.9, 0.95, 0.999):
        low, high = found.interval(level)
        assert -1 <= low <= found.estimate <= high <= 1
        assert low < high
        if abs(found.p - (1 - level)) > 1e-9:
            assert (found.p < 1 - level) == (low > 0 or high < 0)
    turned = paired_difference(second, first)
    assert turned.p == pytest.approx(found.p)
    assert turned.interval() == pytest.approx(tuple(-bound for bound in found.interval()[::-1]))


def test_recipes_that_never_differ_leave_room_for_what_was_not_seen() -> None:
    same = answers(3, 100)
    found = paired_difference(same, same)
    assert (found.estimate, found.p) == (0.0, 1.0)
    low, high = found.interval()
    assert high == -low == pytest.approx(1 - 0.025 ** (1 / 100))  # Clopper and Pearson's, 0 of 100
    assert high == pytest.approx(stats.binomtest(0, 100).proportion_ci().high)


def test_recipes_that_always_differ_are_judged_by_the_sign_test() -> None:
    found = paired_difference(np.ones((3, 6)), np.zeros((3, 6)))
    assert found.p == pytest.approx(stats.binomtest(6, 6).pvalue)


def test_seeds_that_all_gain_alike_are_not_taken_for_certain() -> None:
    first, second = np.zeros((3, 50)), np.zeros((3, 50))
    first[[0, 1, 2], [0, 1, 2]] = 1  # one example each, another one each time
    found = paired_difference(first, second)
    assert found.standard_error == pytest.approx(1 / (50 * np.sqrt(3)))


def test_p_values_reach_far_into_the_tails() -> None:
    first, second = answers(1, 3000, 0.99), answers(1, 3000, 0.1)
    theirs = stats.ttest_rel(first[0], second[0]).pvalue
    assert paired_difference(first, second).p == pytest.approx(max(theirs, 1e-300))
    assert 0 < paired_difference(answers(4, 900, 0.99), answers(4, 900, 0.1)).p < 1e-4


# McNemar


@pytest.mark.parametrize(("one", "other"), [(0, 0), (5, 0), (3, 9), (8, 8)])
def test_mcnemar_is_statsmodels_exact_one(one: int, other: int) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    first = np.r_[np.ones(one), np.zeros(other), np.ones(20), np.zeros(5)]
    second = np.r_[np.zeros(one), np.ones(other), np.ones(20), np.zeros(5)]
    found = mcnemar_exact(first, second)
    theirs = tables.mcnemar([[20, one], [other, 5]], exact=True)
    assert (found.only_first, found.only_second) == (one, other)
    assert found.p == pytest.approx(theirs.pvalue)


# Holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def multitest() -> Any:
    return pytest.importorskip("statsmodels.stats.multitest")


@settings(max_examples=25)  # statsmodels takes its time
@given(raw=P_VALUES)
def test_adjusted_p_values_are_statsmodels(multitest: Any, raw: list[float]) -> None:
    assert holm(raw) == pytest.approx(multitest.multipletests(raw, method="holm")[1])


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    # 0.01 < 0.05 / 3 goes on; 0.03 > 0.05 / 2 stops, and 0.04 has its level.
    assert holm_levels([0.04, 0.01, 0.03]) == pytest.approx([0.975, 1 - 0.05 / 3, 0.975])
    assert holm_levels([0.001, 0.002]) == pytest.approx([0.975, 0.95])
    assert len(holm([])) == len(holm_levels([])) == 0


@given(P_VALUES, st.floats(0.8, 0.99))
def test_levels_give_holms_decisions(raw: list[float], level: float) -> None:
    adjusted, own = holm(raw), holm_levels(raw, level)
    assert (own >= level - 1e-12).all()
    for p, after, at in zip(raw, adjusted, own, strict=True):
        if abs(after - (1 - level)) > 1e-9:
            assert (after <= 1 - level) == (p <= 1 - at)


# Equivalence


def test_equivalence_of_two_adapters_is_statsmodels() -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    first, second = answers(1, 400, 0.9), answers(1, 400, 0.9)
    p, lower, upper = weightstats.ttost_paired(first[0], second[0], -0.05, 0.05)
    found = equivalence(first, second, margin=0.05)
    assert found.p == pytest.approx(p)
    assert found.difference.p_above(-0.05) == pytest.approx(lower[1])
    assert found.difference.p_below(0.05) == pytest.approx(upper[1])


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.3))
def test_equivalence_is_shown_where_the_90_percent_interval_is_inside(
    draw: int, margin: float
) -> None:
    rng = np.random.default_rng(draw)
    first, second = ((rng.random((3, 60)) < 0.9).astype(np.float64) for _ in range(2))
    found = equivalence(first, second, margin)
    assert (found.low, found.high) == found.difference.interval(0.9)
    assert found.shown == (-margin < found.low and found.high < margin)


def test_the_smallest_margin_is_shown_four_times_in_five() -> None:
    found = equivalence(answers(3, 50), answers(3, 50))
    error, df = found.difference.standard_error, found.difference.df()
    assert found.smallest == pytest.approx(error * (stats.t.ppf(0.95, df) + stats.t.ppf(0.9, df)))
    # Equal recipes: the estimate over its error is a t variable, so the chance is the t's.
    reach = found.smallest / error - stats.t.ppf(0.95, df)
    assert stats.t.cdf(reach, df) - stats.t.cdf(-reach, df) == pytest.approx(0.8)


def test_recipes_that_never_differ_are_equal_as_far_as_the_test_set_reaches() -> None:
    same = answers(5, 872)
    found = equivalence(same, same)
    assert found.shown
    assert found.p == pytest.approx(0.99**872)
    assert found.smallest == pytest.approx(1 - 0.05 ** (1 / 872))
    assert not equivalence(same[:, :200], same[:, :200]).shown


# The family


def test_the_family_is_adjacent_sizes_and_each_method_against_lora() -> None:
    sizes = {"tfidf": (100,), "lora": (1000, 100, 300), "probe": (100, 1000, 9)}
    grid = dict.fromkeys((method, size) for method in sizes for size in sizes[method])
    assert list(pairs(grid)) == [
        (("lora", 300), ("lora", 100)),
        (("lora", 1000), ("lora", 300)),
        (("probe", 100), ("probe", 9)),
        (("probe", 1000), ("probe", 100)),
        (("lora", 100), ("tfidf", 100)),
        (("lora", 100), ("probe", 100)),
        (("lora", 1000), ("probe", 1000)),
    ]


def test_seeds_are_paired_by_name_and_not_by_place() -> None:
    first, second = answers(4, 80), answers(3, 80)
    cells = {
        ("lora", 10): Cell((3, 1, 0, 7), first),
        ("probe", 10): Cell((0, 7, 3), second),
        ("tfidf", 10): Cell((8, 9), second[:2]),
    }
    family = compare(cells)
    (found,) = family.comparisons
    assert found.seeds == (0, 3, 7)
    expected = paired_difference(first[[2, 0, 3]], second[[0, 2, 1]])
    assert found.difference == expected
    assert (found.low, found.high) == expected.interval()
    assert found.p == found.adjusted_p == expected.p
    assert family.not_offered == ((("lora", 10), ("tfidf", 10)),)


def test_holm_runs_over_the_whole_family() -> None:
    levels = {10: 0.6, 20: 0.65, 40: 0.72, 80: 0.95}
    cells = {
        (method, size): Cell((0, 1, 2), answers(3, 300, accuracy - 0.05 * (method == "probe")))
        for method in ("lora", "probe")
        for size, accuracy in levels.items()
    }
    family = compare(cells)
    raw = [entry.p for entry in family.comparisons]
    assert len(raw) == 3 + 3 + 4
    assert [entry.adjusted_p for entry in family.comparisons] == pytest.approx(holm(raw).tolist())
    assert {entry.told_apart for entry in family.comparisons} == {True, False}
    for entry in family.comparisons:
        assert entry.told_apart == (entry.adjusted_p < 0.05)
        assert entry.adjusted_low <= entry.low <= entry.high <= entry.adjusted_high


def test_equivalence_is_tested_where_both_methods_are() -> None:
    same = answers(3, 600)
    cells = {
        ("lora", 10): Cell((0, 1, 2), same),
        ("full", 10): Cell((0, 1, 2), same),
        ("lora", 20): Cell((0, 1, 2), same),
        ("full", 20): Cell((5, 6), same[:2]),
        ("full", 40): Cell((0, 1, 2), same),
    }
    found = equivalences(cells)
    assert list(found) == [10]
    assert found[10].shown


def test_a_study_of_one_cell_has_nothing_to_compare() -> None:
    assert compare({("lora", 10): Cell((0,), answers(1, 10))}).comparisons == ()
    assert compare({}).comparisons == ()
