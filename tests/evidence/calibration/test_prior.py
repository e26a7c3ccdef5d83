"""Shares that shift are seen and put right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evidence.calibration.made import softmax

from weft.evidence.calibration.judge import log_loss_each
from weft.evidence.calibration.prior import corrected, shift
from weft.randomness import generator_for


def test_the_size_of_a_shift() -> None:
    change = shift([50, 50], [0.8, 0.2])
    assert change.size == pytest.approx(0.3)
    assert change.noticeable
    assert change.factors == pytest.approx([1.6, 0.4])
    assert not shift([500, 501], [0.5, 0.5]).noticeable


def test_a_correction_by_hand() -> None:
    rows = corrected(np.array([[0.5, 0.5], [0.2, 0.8]]), shift([1, 1], [3, 1]))
    assert rows == pytest.approx(np.array([[0.75, 0.25], [3 / 7, 4 / 7]]))


@given(st.lists(st.floats(0.05, 1), min_size=4, max_size=4))
def test_there_and_back_is_nothing(weights: list[float]) -> None:
    rows = softmax(generator_for("back").normal(0, 1, (20, 4)))
    there = corrected(rows, shift([1, 1, 1, 1], weights))
    assert there.sum(axis=1) == pytest.approx(np.ones(20))
    assert corrected(there, shift(weights, [1, 1, 1, 1])) == pytest.approx(rows)


def bayes(shares: list[float], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes that are normal curves two apart: labels, and true probabilities for the shares
    given and for equal ones."""
    rng = generator_for("bayes", count)
    labels = rng.choice(len(shares), count, p=shares).astype(np.int64)
    places = 2.0 * np.arange(len(shares))
    texts = rng.normal(places[labels], 1)
    likely = -((texts[:, None] - places) ** 2) / 2
    return labels, softmax(likely + np.log(shares)), softmax(likely)


def test_the_correction_is_the_truth() -> None:
    labels, truth, equal = bayes([0.85, 0.1, 0.05], 5000)
    change = shift([1, 1, 1], [0.85, 0.1, 0.05])
    assert corrected(equal, change) == pytest.approx(truth)
    before, after = (log_loss_each(rows, labels).mean() for rows in (equal, truth))
    assert after < before - 0.1


def test_a_class_that_training_lacks_is_left_alone() -> None:
    rows = np.array([[0.6, 0.3, 0.1]])
    change = shift([1, 1, 0], [1, 1, 2])
    assert change.factors[2] == 1
    assert np.isfinite(corrected(rows, change)).all()
    assert corrected(np.array([[0.0, 1.0]]), shift([1, 1], [1, 0])) == pytest.approx(
        np.array([[0.0, 1.0]])
    )  # nothing is left to share out: as it was
