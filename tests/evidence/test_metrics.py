"""Scores against figures worked out by hand, and where there is nothing to score."""

from __future__ import annotations

import numpy as np
import pytest

from weft.errors import TrainingError
from weft.evidence.metrics import score


def test_two_classes_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    of_one = np.array([0.1, 0.2, 0.9, 0.8, 0.3])  # one false positive, one miss
    probabilities = np.stack([1 - of_one, of_one], axis=1)
    scores = score(labels, probabilities, positive=1)
    assert scores.examples == 5
    assert scores.confusion == ((2, 1), (1, 1))
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.precision == pytest.approx(1 / 2)
    assert scores.recall == pytest.approx(1 / 2)
    assert scores.f1 == pytest.approx(1 / 2)
    by_hand = -np.log([0.9, 0.8, 0.1, 0.8, 0.3]).mean()
    assert scores.loss == pytest.approx(by_hand)


def test_the_positive_class_decides_f1() -> None:
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    first, second = (score(labels, probabilities, positive=index) for index in (0, 1))
    assert (first.precision, first.recall) == (1.0, pytest.approx(2 / 3))
    assert (second.precision, second.recall) == (0.5, 1.0)


def test_more_classes_are_averaged() -> None:
    labels = np.array([0, 1, 2, 2])
    probabilities = np.eye(3)[[0, 1, 1, 2]]
    scores = score(labels, probabilities, positive=None)
    assert scores.confusion == ((1, 0, 0), (0, 1, 0), (0, 1, 1))
    assert scores.precision == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert scores.recall == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert scores.f1 == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_two_classes_without_a_positive_one_are_averaged() -> None:
    labels = np.array([0, 0, 1])
    probabilities = np.eye(2)[[0, 1, 1]]
    assert score(labels, probabilities, positive=None).f1 == pytest.approx(2 / 3)


def test_a_class_that_never_occurs_keeps_its_place_in_the_confusion_matrix() -> None:
    scores = score(np.array([0, 2]), np.eye(4)[[0, 2]], positive=None)
    assert np.array(scores.confusion).shape == (4, 4)
    assert scores.f1 == 1.0  # and does not count as a zero in the average


def test_nothing_predicted_positive_counts_as_zero_without_a_warning() -> None:
    scores = score(np.array([1, 1]), np.eye(2)[[0, 0]], positive=1)
    assert (scores.precision, scores.recall, scores.f1) == (0.0, 0.0, 0.0)


def test_a_probability_of_zero_costs_much_but_not_infinitely() -> None:
    assert 30 < score(np.array([1]), np.array([[1.0, 0.0]]), positive=1).loss < 40


def test_a_diverged_model_is_refused() -> None:
    with pytest.raises(TrainingError, match="1 of 2 examples"):
        score(np.array([0, 1]), np.array([[np.nan, np.nan], [0.5, 0.5]]), positive=1)
