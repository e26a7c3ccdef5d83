"""Bins by hand, and the calibration error's floor by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evidence.calibration.made import calibrated, softmax

from weft.evidence.calibration.reliability import calibration_error, reliability
from weft.randomness import generator_for


def test_two_bins_by_hand() -> None:
    sure = np.array([0.9, 0.6, 0.8, 0.7])
    rows = np.stack([sure, 1 - sure], axis=1)
    labels = np.array([0, 1, 0, 0])  # only 0.6 is wrong
    found = reliability(rows, labels, bins=2)
    assert found.confidence == pytest.approx([0.65, 0.85])
    assert found.accuracy == pytest.approx([0.5, 1.0])
    assert list(found.counts) == [2, 2]
    assert found.low[0] == pytest.approx(0.0945, abs=1e-3)  # Wilson, 1 of 2
    error = calibration_error(rows, labels, bins=2)
    assert error.ece == pytest.approx((0.15 + 0.15) / 2)
    chance = [(0.6 * 0.4 + 0.7 * 0.3) ** 0.5 / 2, (0.8 * 0.2 + 0.9 * 0.1) ** 0.5 / 2]
    assert error.floor == pytest.approx(np.mean(chance) * (2 / np.pi) ** 0.5)


@given(st.integers(1, 60), st.integers(1, 20))
def test_every_example_is_in_one_bin(count: int, bins: int) -> None:
    logits, labels = calibrated(count, 3, "bins")
    found = reliability(softmax(logits), labels, bins)
    assert len(found.counts) == min(count, bins)
    assert found.counts.sum() == count
    assert found.counts.max() - found.counts.min() <= 1
    assert (np.diff(found.confidence) >= 0).all()
    assert (found.low <= found.accuracy + 1e-12).all()
    assert (found.accuracy <= found.high + 1e-12).all()


def errors(temperature: float, times: int = 400) -> np.ndarray:
    """(times, 2): ece and floor of a model whose logits are multiplied, on 600 examples."""
    rows: list[tuple[float, float]] = []
    for part in range(times):
        logits, labels = calibrated(600, 2, "errors", part, spread=1.5)
        found = calibration_error(softmax(temperature * logits), labels)
        rows.append((found.ece, found.floor))
    return np.array(rows)


def test_a_model_whose_confidences_are_true_has_its_floor() -> None:
    found = errors(1.0)
    assert found[:, 0].mean() > 0.02, "the plain error is far from zero, though nothing is wrong"
    assert found[:, 0].mean() == pytest.approx(found[:, 1].mean(), rel=0.05)


def test_a_model_too_sure_of_itself_is_far_above_it() -> None:
    found = errors(3.0, times=20)
    assert (found[:, 0] > 2 * found[:, 1]).all()


def test_ties_and_certain_answers() -> None:
    rng = generator_for("ties")
    labels = rng.integers(0, 2, 100)
    found = calibration_error(np.tile([1.0, 0.0], (100, 1)), labels)
    assert found.floor == 0
    assert found.ece == pytest.approx((labels == 1).mean())
