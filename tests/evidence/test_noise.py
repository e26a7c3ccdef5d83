"""The seeds' scatter: recovered where it is known, and bearing few or equal seeds."""

from __future__ import annotations

import numpy as np
import pytest

from weft.evidence.noise import scatter

SIZES = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_a_known_scatter_is_recovered(slope: float) -> None:
    rng = np.random.default_rng(1)
    sd = 0.02 * (SIZES / 100) ** (-slope / 2)
    found = scatter(SIZES, 0.8 + sd[:, None] * rng.standard_normal((5, 400)))
    np.testing.assert_allclose(found.sd(SIZES), sd, rtol=0.08)


def test_it_is_pooled_over_sizes() -> None:
    """Three seeds a size know little alone: the pooled sd is nearer to the truth."""
    rng = np.random.default_rng(2)
    alone, pooled = [], []
    for _ in range(200):
        scores = 0.8 + 0.01 * rng.standard_normal((5, 3))
        alone.append(abs(np.log(scores.std(axis=1, ddof=1)[-1] / 0.01)))
        pooled.append(abs(np.log(scatter(SIZES, scores).sd(SIZES)[-1] / 0.01)))
    assert np.mean(pooled) < np.mean(alone)


def test_equal_scores_leave_a_least_scatter() -> None:
    assert (scatter(SIZES, np.full((5, 3), 0.8)).sd(SIZES) > 0).all()


def test_seeds_that_were_not_run_do_not_count() -> None:
    scores = 0.8 + 0.01 * np.random.default_rng(3).standard_normal((5, 3))
    wider = np.concatenate([scores, np.full((5, 2), np.nan)], axis=1)
    assert scatter(SIZES, wider) == scatter(SIZES, scores)
    wider[0, 3] = 0.9
    assert scatter(SIZES, wider) != scatter(SIZES, scores)
