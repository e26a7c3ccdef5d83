"""Fits of the families beside SciPy's, and what every fitted curve keeps to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares, nnls

from weft.evidence.families import FAMILIES, fit

X = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
AHEAD = np.array([64.0, 128.0])


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("place", [0, 17, -1])
def test_for_given_shapes_the_fit_is_nonnegative_least_squares(name: str, place: int) -> None:
    family = FAMILIES[name]
    one = dataclasses.replace(family, shapes=family.shapes[[place]])
    rng = np.random.default_rng(3)
    errors = np.vstack([rng.uniform(0, 0.6, (40, 6)), 0.5 * one.fall(X, one.shapes) - 0.02])
    errors = np.clip(errors, 0, 1)
    weights = rng.uniform(0.5, 4.0, 6)
    found = fit(one, X, errors, weights)
    design = np.stack([np.ones(6), one.fall(X, one.shapes)[0]], axis=1)
    for row, error in enumerate(errors):
        theirs, residual = nnls(design * np.sqrt(weights)[:, None], error * np.sqrt(weights))
        assert found.misfit[row] == pytest.approx(residual**2, rel=1e-6, abs=1e-12)
        ours = design @ [found.floor[row], found.drop[row]]
        np.testing.assert_allclose(ours, design @ theirs, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_the_grid_finds_what_scipy_finds(seed: int) -> None:
    """The power law, its three parameters left to SciPy from several starts."""
    rng = np.random.default_rng(seed)
    errors = 0.1 + 0.2 * X**-0.45 + 0.004 * rng.standard_normal(6)
    weights = np.full(6, 1 / 0.004**2)

    def residual(at: np.ndarray) -> np.ndarray:
        return (at[0] + at[1] * X ** -at[2] - errors) * np.sqrt(weights)

    theirs = min(
        (
            least_squares(residual, (0.05, 0.3, c), bounds=([0, 0, 0.05], [1, 1, 2.0]))
            for c in (0.1, 0.5, 1.5)
        ),
        key=lambda found: found.cost,
    )
    ours = fit(FAMILIES["pow3"], X, errors[None], weights)
    assert ours.misfit[0] <= 2 * theirs.cost + 0.05  # chi-square: 1 is one standard deviation
    a, b, c = theirs.x
    np.testing.assert_allclose(ours.errors(AHEAD)[0], a + b * AHEAD**-c, atol=5e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_curve_of_the_family_is_continued(name: str) -> None:
    family = FAMILIES[name]
    for shapes in family.shapes[:: max(1, len(family.shapes) // 20)]:
        truth = 0.08 + 0.3 * family.fall(np.concatenate([X, AHEAD]), shapes[None])[0]
        found = fit(family, X, truth[None, :6], np.ones(6))
        np.testing.assert_allclose(found.errors(AHEAD)[0], truth[6:], atol=1e-6)


def test_a_power_law_is_recovered_off_the_grid() -> None:
    for rate in np.linspace(0.2, 1.0, 9):
        found = fit(FAMILIES["pow3"], X, (0.1 + 0.3 * X**-rate)[None], np.ones(6))
        assert found.floor[0] == pytest.approx(0.1, abs=0.02)
        np.testing.assert_allclose(found.errors(AHEAD)[0], 0.1 + 0.3 * AHEAD**-rate, atol=2e-3)


@pytest.mark.parametrize("name", FAMILIES)
@given(errors=st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_every_curve_is_finite_and_never_rises(name: str, errors: list[float]) -> None:
    found = fit(FAMILIES[name], X, np.array([errors]), np.ones(6))
    curve = found.errors(np.geomspace(1, 4000, 50))[0]
    assert np.isfinite(curve).all()
    assert (np.diff(curve) <= 1e-12).all()
    assert curve.min() >= found.floor[0] - 1e-12 >= -1e-12
    assert curve[0] <= 2.0


def test_replicates_are_fitted_as_each_alone() -> None:
    errors = np.random.default_rng(0).uniform(0.1, 0.5, (7, 6))
    for family in FAMILIES.values():
        together = fit(family, X, errors, X)
        for row in range(7):
            alone = fit(family, X, errors[[row]], X)
            np.testing.assert_allclose(together.errors(AHEAD)[row], alone.errors(AHEAD)[0])
