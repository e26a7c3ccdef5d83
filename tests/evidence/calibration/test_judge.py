"""Brier score and log loss by hand and against scikit-learn, and the interval's coverage."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss
from tests.evidence.calibration.made import calibrated, softmax

from weft.evidence.calibration.judge import brier_each, log_loss_each, mean_interval
from weft.evidence.metrics import score
from weft.randomness import generator_for


def test_brier_by_hand() -> None:
    rows = np.array([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]])
    assert brier_each(rows, np.array([0, 1])) == pytest.approx([0.25 + 0.09 + 0.04, 0])
    assert brier_each(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx([2])


def test_for_two_classes_it_is_twice_the_columns_own() -> None:
    logits, labels = calibrated(200, 2)
    rows = softmax(logits)
    assert brier_each(rows, labels).mean() == pytest.approx(
        2 * brier_score_loss(labels, rows[:, 1])
    )


def test_log_loss_is_scikit_learns_and_the_tables() -> None:
    logits, labels = calibrated(200, 4)
    rows = softmax(logits)
    assert log_loss_each(rows, labels).mean() == pytest.approx(log_loss(labels, rows))
    rows[0] = np.eye(4)[(labels[0] + 1) % 4]  # a certain mistake counts alike too
    assert log_loss_each(rows, labels).mean() == pytest.approx(score(labels, rows, None).loss)


def test_both_are_proper() -> None:
    """No other temperature than the truth's scores better, on average."""
    logits, labels = calibrated(50_000, 3, "proper")
    for each in (brier_each, log_loss_each):
        means = [each(softmax(k * logits), labels).mean() for k in (0.8, 1.0, 1.25)]
        assert means[1] == min(means)


def test_the_interval_by_hand() -> None:
    found = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert found.value == 2
    assert found.high - 2 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert found.low + found.high == pytest.approx(4)


def test_the_interval_covers() -> None:
    rng = generator_for("coverage")
    samples = rng.exponential(0.3, (2000, 400))
    inside = [found.low <= 0.3 <= found.high for found in map(mean_interval, samples)]
    assert 0.93 < np.mean(inside) < 0.97


@pytest.mark.parametrize("values", [[0.3], [0.3, 0.3]])
def test_what_gives_no_interval_says_so(values: list[float]) -> None:
    found = mean_interval(np.array(values))
    assert found.value == pytest.approx(0.3)
    assert np.isnan([found.low, found.high]).all()
