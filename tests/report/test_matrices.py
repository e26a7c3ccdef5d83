"""Confusion matrices as numbers, and how runs went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from weft.report import read
from weft.report.matrices import Matrix, matrices
from weft.report.traces import traces

MakeStudy = Callable[..., Path]


def test_top_and_classes() -> None:
    counts = np.array([[8, 2, 0], [1, 9, 0], [4, 0, 0]])
    own = Matrix("lora", 100, 1, ("a", "b", "c"), counts, (0, 1, 2))
    assert [(one.true, one.answer, one.count) for one in own.top] == [
        (2, 0, 4),
        (0, 1, 2),
        (1, 0, 1),
    ]
    assert own.top[0].share == 1.0
    examples, recall, precision, worst = own.of_class(0)
    assert (examples, recall, precision) == (10, 0.8, 8 / 13)
    assert worst is not None
    assert (worst.answer, worst.count) == (1, 2)
    assert own.of_class(2)[2] is None, "never answered"


def test_counts_are_the_sum_of_the_seeds(make_study: MakeStudy) -> None:
    view = read(make_study(sizes=(50, 100), seeds=3, methods=("probe",), epochs=1))
    small, large = matrices(view, "probe")
    assert (small.size, small.seeds, large.size) == (50, 3, 100)
    rows = view.runs[view.runs["size"] == 50].test_confusion
    assert (small.counts == sum(np.array(row) for row in rows)).all()
    assert matrices(view, "lora") == ()


def test_many_classes_are_ordered_by_what_is_confused(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",), classes=20, examples=400)
    (own,) = matrices(read(folder), "probe")
    assert sorted(own.order) == list(range(20))
    assert own.names == tuple(map(str, range(20))), "two names are known, so they are numbered"


def test_twins_stand_side_by_side() -> None:
    from weft.report.matrices import _together

    counts = 100 * np.eye(16, dtype=np.int64)
    for one, other in ((0, 9), (3, 14), (5, 11)):
        counts[one, other] = counts[other, one] = 30
    order = _together(counts)
    for one, other in ((0, 9), (3, 14), (5, 11)):
        assert abs(order.index(one) - order.index(other)) == 1


def test_a_grid_over_lengths_hides_why_runs_ended(make_study: MakeStudy) -> None:
    view = read(make_study(sizes=(50,), seeds=1, methods=("lora",), epochs=2))
    (known,) = traces(view)
    assert known.allowed is not None
    view.facts["config"]["grid"] = {"recipe.epochs": [1, 2]}
    (unknown,) = traces(view)
    assert unknown.allowed is None
    assert not unknown.stopped
