"""The temperature is the minimum, changes no answer, and is 1 where there is nothing to fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from tests.evidence.calibration.made import calibrated, softmax

from weft.evidence.calibration.judge import log_loss_each
from weft.evidence.calibration.temperature import (
    BOUNDS,
    LEAST,
    apply,
    calibrate,
    cross_fitted,
    fit,
    fit_logits,
)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("classes", [2, 5])
def test_a_known_temperature_is_found(true: float, classes: int) -> None:
    logits, labels = calibrated(20_000, classes, "known")
    found = fit_logits(true * logits, labels)
    assert found.reason is None
    assert found.value == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("classes", [2, 4])
def test_it_is_the_minimum(classes: int) -> None:
    logits, labels = calibrated(300, classes, "minimum")
    rows = softmax(3 * logits)

    def loss(temperature: float) -> float:
        return float(log_loss_each(softmax(3 * logits / temperature), labels).mean())

    theirs = minimize_scalar(loss, bounds=(0.1, 20), method="bounded")
    assert fit(rows, labels).value == pytest.approx(theirs.x, rel=1e-3)
    assert loss(fit(rows, labels).value) <= theirs.fun + 1e-12


@given(
    st.lists(st.floats(-30, 30), min_size=3, max_size=3),
    st.floats(0.05, 20),
)
def test_probabilities_will_do_for_logits(logits: list[float], temperature: float) -> None:
    rows = np.array([logits])
    ours = apply(softmax(rows), temperature)
    assert np.allclose(ours, softmax(rows / temperature), atol=1e-9)
    assert ours.sum() == pytest.approx(1)
    # the answer stays: what was most probable is so still
    assert ours[0, softmax(rows).argmax()] == ours.max()


def test_a_temperature_of_one_changes_no_bit() -> None:
    rows = softmax(calibrated(50)[0])
    assert np.array_equal(apply(rows, 1.0), rows)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        apply(np.full((1, 2), 0.5), temperature)


def test_a_certain_mistake_does_not_break_it() -> None:
    _, labels = calibrated(100, 2, "certain")
    rows = np.eye(2)[labels]
    rows[:3] = rows[:3, ::-1]
    found = fit(rows, labels)
    assert found.value == BOUNDS[1]
    assert found.reason is not None
    assert np.isfinite(apply(rows, found.value)).all()


def nonsense(kind: str) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = calibrated(100, 2, "nonsense")
    rows = softmax(logits)
    if kind == "few":
        return rows[: LEAST - 1], labels[: LEAST - 1]
    if kind == "none":
        return rows[:0], labels[:0]
    if kind == "right":
        return rows, rows.argmax(axis=1)
    if kind == "one label":
        return rows, np.zeros(100, dtype=np.int64)
    if kind == "uniform":
        return np.full((100, 2), 0.5), labels
    rows = rows.copy()
    rows[3] = {"nan": np.nan, "inf": np.inf}[kind]
    return rows, labels


@pytest.mark.parametrize("kind", ["few", "none", "right", "one label", "uniform", "nan", "inf"])
def test_nothing_to_fit_is_one_with_a_reason(kind: str) -> None:
    rows, labels = nonsense(kind)
    found = fit(rows, labels)
    assert found.value == 1.0
    assert found.reason
    whole = calibrate(rows, labels)
    assert whole.temperature == found
    assert whole.loss_before == whole.loss_after
    assert (whole.loss_before is None) == (kind in ("none", "nan", "inf"))


def test_probabilities_that_are_against_the_truth_end_at_the_bound() -> None:
    logits, labels = calibrated(500, 2, "against")
    assert fit_logits(-logits, labels).value == BOUNDS[1]


def test_cross_fitting_never_uses_an_examples_own_fold() -> None:
    logits, labels = calibrated(203, 2, "folds")
    rows = softmax(2 * logits)
    found = cross_fitted(rows, labels)

    def odds(of: np.ndarray) -> np.ndarray:
        return np.log(of[:, 1]) - np.log(of[:, 0])

    used = (odds(rows) / odds(found)).round(6)  # the temperature of each example
    temperatures, counts = np.unique(used, return_counts=True)
    assert len(temperatures) == 5
    assert counts.max() - counts.min() <= 1
    for temperature in temperatures:
        others = used != temperature
        assert fit(rows[others], labels[others]).value == pytest.approx(temperature, abs=1e-6)


def test_folds_hold_each_class_alike() -> None:
    """With four of five examples of each class elsewhere, every fold's fit sees both."""
    labels = np.array([0] * 95 + [1] * 5)
    rows = np.tile([0.7, 0.3], (100, 1))
    found = cross_fitted(rows, labels)
    assert len(np.unique(found[:, 0].round(12))) == 1  # all folds' others have 76 and 4


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_calibration_pays_for_a_model_that_is_too_sure(seed: int) -> None:
    logits, labels = calibrated(400, 3, "too sure", seed)
    found = calibrate(softmax(3 * logits), labels)
    assert found.temperature.value > 1.5
    assert found.loss_before is not None
    assert found.loss_after is not None
    assert found.loss_after < found.loss_before


def test_the_cross_fitted_loss_foretells_that_of_new_examples() -> None:
    """On average over validation sets, and worse than the loss of the examples fitted on."""
    apart, own = [], []
    logits, labels = calibrated(40_000, 2, "new")
    for part in range(200):
        here = slice(part * 60, part * 60 + 60)
        rows = softmax(2 * logits[here])
        found = calibrate(rows, labels[here])
        fresh = apply(softmax(2 * logits[20_000:]), found.temperature.value)
        new = float(log_loss_each(fresh, labels[20_000:]).mean())
        assert found.loss_after is not None
        apart.append(found.loss_after - new)
        inside = log_loss_each(apply(rows, found.temperature.value), labels[here]).mean()
        own.append(found.loss_after - float(inside))
    assert np.mean(own) > 0
    assert abs(np.mean(apart)) < 3 * np.std(apart) / 200**0.5
