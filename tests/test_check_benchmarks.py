"""The benchmarks of leaks and label errors: their arithmetic, on made-up figures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import label_errors
import leak
from weft.data.examples import Examples


def test_precision_and_recall_along_a_ranking() -> None:
    wrong = np.array([True, False, True, False, True, True, False, False, False, False])
    order = np.array([0, 1, 2, 4, 3, 5, 6, 7, 8, 9])
    flagged = np.zeros(10, bool)
    flagged[[0, 1]] = True
    found = label_errors.judged(order, flagged, wrong)
    assert [point["k"] for point in found["curve"]] == [1, 2, 4, 8]
    assert [point["precision"] for point in found["curve"]] == [1, 0.5, 0.75, 0.5]
    assert [point["recall"] for point in found["curve"]] == [0.25, 0.25, 0.75, 1]
    assert (found["flagged_precision"], found["flagged_recall"]) == (0.5, 0.25)
    assert found["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)


def test_as_many_labels_are_flipped_as_asked() -> None:
    clean = Examples(tuple("abcdefghij" * 10), None, np.array([0, 1] * 50))
    changed, wrong = label_errors.flipped(clean, 0.1, "train", 0)
    assert wrong.sum() == 10
    assert ((changed.labels != clean.labels) == wrong).all()
    assert (label_errors.flipped(clean, 0.1, "train", 1)[1] != wrong).any()


def test_the_parts_of_the_gap_make_up_the_gap() -> None:
    random = np.random.default_rng(0)
    right = {
        kind: {("m", part): random.random((3, size)) < share for part, size in
               (("validation", 400), ("test", 300))}
        for kind, share in (("random", 0.9), ("disjoint", 0.8))
    }  # fmt: skip
    row = leak.parted("m", right)
    parts = [row[name]["value"] for name in ("leak", "phrases", "change")]
    assert row["gap"]["value"] == pytest.approx(sum(parts))
    low, high = row["leak"]["interval"]
    assert low < row["leak"]["value"] < high
