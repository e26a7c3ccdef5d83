"""A disjoint validation set: the same examples, a pool that shares none of them, sizes that fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.config import DataSettings
from weft.data.examples import Examples, LabelledText
from weft.data.splits import Splits, split
from weft.errors import DataError


def labelled(train: list[tuple[str, int]], validation: list[tuple[str, int]]) -> LabelledText:
    def part(rows: list[tuple[str, int]]) -> Examples:
        return Examples(
            tuple(text for text, _ in rows), None, np.array([label for _, label in rows], np.int64)
        )

    names = ("no", "yes")
    return LabelledText(
        "set", names, 1, part(train), part(validation), part(validation), "Here.", {}, ()
    )


def cut(data: LabelledText, sizes: tuple[int, ...] | None = None, **over: object) -> Splits:
    chosen = {"validation": "disjoint", **over}
    return split(data, DataSettings.model_validate(chosen), sizes)


OTHERS = [(f"other {k}", k % 2) for k in range(40)]


def test_what_contains_or_lies_in_a_validation_example_goes() -> None:
    train = [
        ("good", 1),
        ("a good film by far", 1),
        ("Good film!", 1),
        ("far", 0),
        ("film good", 1),
    ]
    splits = cut(labelled([*train, *OTHERS], [("a good film", 1), ("so bad", 0)]))
    assert splits.pool.texts[:2] == ("far", "film good")
    assert len(splits.pool) == 42
    (note,) = (note for note in splits.notes if note.startswith("Disjoint"))
    assert "3 of 45 train examples" in note
    assert "(1 of them are one word, 2 fewer than four)" in note
    assert "42 remain, 21 'no', 21 'yes'" in note


def test_the_validation_set_is_that_of_a_random_one() -> None:
    rows = [(f"word{k} word{k + 1}", k % 2) for k in range(100)]
    data = labelled(rows, rows[:20])
    for size in (None, 10):
        random = split(data, DataSettings(validation_size=size), None)
        assert cut(data, validation_size=size).validation.texts == random.validation.texts


def test_sizes_end_where_balance_does() -> None:
    rows = [(f"n{k}", 0) for k in range(30)] + [(f"y{k}", 1) for k in range(50)]
    data = labelled(rows, [*((f"n{k} x", 0) for k in range(10)), ("z", 1)])
    splits = cut(data, (8, 60, 70))
    assert splits.available == 41  # 20 are left of one class, one more of the other may come
    assert splits.sizes == (8, 41)
    assert "41 is the most that can be drawn balanced from what remains: it stands for 60, 70." in (
        splits.notes
    )
    assert np.bincount(splits.train(41, 0).labels).tolist() == [20, 21]
    assert cut(data).sizes[-1] == 41
    assert split(data, DataSettings(), (8, 60, 70)).sizes == (8, 60, 70)


def test_sizes_that_are_not_balanced_end_with_the_pool() -> None:
    rows = [(f"n{k}", 0) for k in range(30)] + [(f"y{k}", 1) for k in range(50)]
    splits = cut(labelled(rows, [("n1 x", 0), ("z", 1)]), (8, 80), balance="stratified")
    assert splits.sizes == (8, 79)


def test_a_class_that_goes_whole_is_refused() -> None:
    data = labelled([("good", 1), ("good film", 1), ("bad", 0)], [("a good film", 1), ("x", 0)])
    with pytest.raises(DataError, match="too little remains") as caught:
        cut(data)
    assert "2 of 3 examples" in str(caught.value)
    assert "--validation disjoint" in caught.value.remedy


word = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"])
rows = st.lists(
    st.tuples(st.lists(word, min_size=1, max_size=5).map(" ".join), st.integers(0, 1)),
    min_size=4,
    max_size=30,
)


@given(rows, rows)
@settings(deadline=None)
def test_no_example_of_the_pool_overlaps(
    train: list[tuple[str, int]], validation: list[tuple[str, int]]
) -> None:
    data = labelled([*train, ("y y y", 0), ("z z z", 1)], validation)

    def overlap(one: str, other: str) -> bool:
        return f" {one} " in f" {other} " or f" {other} " in f" {one} "

    splits = cut(data)
    assert list(splits.pool.texts) == [
        text
        for text in data.train.texts
        if not any(overlap(text, other) for other, _ in validation)
    ]
    assert splits.sizes[-1] == splits.available <= len(splits.pool)
