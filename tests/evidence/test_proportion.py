"""Bounds of shares against SciPy's, and p-values against the bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from weft.evidence.proportion import at_most, lower_bound, wilson

CASES = [(0, 1), (1, 1), (3, 10), (0, 50), (50, 50), (431, 436)]


@pytest.mark.parametrize(("right", "trials"), CASES)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_scipys(right: int, trials: int, level: float) -> None:
    low, high = wilson(right, trials, level)
    theirs = binomtest(right, trials).proportion_ci(level, method="wilson")
    assert (low, high) == (pytest.approx(theirs.low, abs=1e-12), pytest.approx(theirs.high))


def test_wilson_takes_many_at_once() -> None:
    low, high = wilson([1, 2], [4, 4])
    assert low.shape == high.shape == (2,)
    assert low[1] == wilson(2, 4)[0]


@pytest.mark.parametrize(("right", "trials"), CASES)
def test_the_exact_bound_is_scipys(right: int, trials: int) -> None:
    theirs = binomtest(right, trials, alternative="greater").proportion_ci(0.95, method="exact")
    assert lower_bound(right, trials) == pytest.approx(theirs.low, abs=1e-12)


def test_a_p_value_is_small_exactly_where_the_bound_is_high() -> None:
    trials = np.full(61, 60, dtype=np.int64)
    right = np.arange(61)
    passes = at_most(0.9, right, trials) <= 0.05
    assert list(passes) == [lower_bound(int(k), 60) >= 0.9 for k in right]
    assert passes.any()
    assert not passes.all()
