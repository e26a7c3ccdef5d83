"""The abstention curve by hand, with ties, and its ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evidence.calibration.made import calibrated, softmax

from weft.evidence.calibration.abstention import COVERAGES, at, curve
from weft.evidence.proportion import wilson


def two_classes(sure: list[float], right: list[int]) -> tuple[np.ndarray, np.ndarray]:
    first = np.array(sure)
    return np.stack([first, 1 - first], axis=1), 1 - np.array(right)


def test_by_hand() -> None:
    found = curve(*two_classes([0.6, 0.9, 0.8, 0.7], [0, 1, 0, 1]))
    assert found.coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert found.accuracy == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    half = at(found, [0.5])[0]
    assert (half.examples, half.accuracy) == (2, 0.5)
    assert half.low == pytest.approx(float(wilson(1, 2)[0]))


def test_ties_come_in_no_order() -> None:
    for right in ([1, 1, 0, 0], [0, 0, 1, 1]):
        assert curve(*two_classes([0.7] * 4, right)).accuracy == pytest.approx([0.5] * 4)


@given(st.integers(1, 50))
def test_all_answered_is_the_accuracy(count: int) -> None:
    logits, labels = calibrated(count, 3, "curve")
    rows = softmax(logits)
    kept = at(curve(rows, labels))
    assert [one.coverage for one in kept] == list(COVERAGES)
    assert kept[-1].examples == count
    assert kept[-1].accuracy == pytest.approx((rows.argmax(axis=1) == labels).mean())
    assert all(one.low - 1e-12 <= one.accuracy <= one.high + 1e-12 for one in kept)
    assert all(0 <= one.low <= one.high <= 1 for one in kept)


def test_sureness_that_means_something_pays() -> None:
    logits, labels = calibrated(4000, 3, "pays")
    found = curve(softmax(logits), labels)
    assert found.accuracy[1999] > found.accuracy[-1] + 0.05


def test_a_round_share_is_not_rounded_up() -> None:
    found = curve(*two_classes([0.7] * 100, [1] * 100))
    assert [one.examples for one in at(found, [0.95, 0.1, 0.001])] == [95, 10, 1]
