"""The validation set, what training sets hold, and the sizes that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from weft.config import DataSettings
from weft.data.sources import Examples, LabelledText
from weft.data.splits import Splits, ladder, split
from weft.errors import DataError


def examples(counts: tuple[int, ...], prefix: str = "t") -> Examples:
    labels = np.repeat(np.arange(len(counts)), counts)
    return Examples(tuple(f"{prefix} {i}" for i in range(len(labels))), None, labels)


def labelled(*counts: int, validation: Examples | None = None, name: str = "set") -> LabelledText:
    names = tuple(f"class{i}" for i in range(len(counts)))
    positive = 1 if len(counts) == 2 else None
    test = examples(tuple(1 for _ in counts), "test")
    return LabelledText(
        name, names, positive, examples(counts), validation, test, "Made here.", {}, ()
    )


def cut(data: LabelledText, sizes: tuple[int, ...] | None = None, **settings: object) -> Splits:
    return split(data, DataSettings.model_validate(settings), sizes)


def counts(examples: Examples, classes: int) -> list[int]:
    return np.bincount(examples.labels, minlength=classes).tolist()


@pytest.mark.parametrize(
    ("data", "settings", "expected"),
    [
        (labelled(400, 600), {}, [50, 50]),
        (labelled(400, 600), {"balance": "stratified"}, [40, 60]),
        (labelled(400, 600), {"validation_size": 300}, [150, 150]),
        (labelled(30000, 37000), {}, [500, 500]),
        (labelled(200, 300, 500), {}, [20, 30, 50]),
        (labelled(200, 300, 500), {"balance": "balanced"}, [20, 30, 50]),
        (labelled(4, 4), {}, [1, 1]),
        (labelled(900, 100), {}, [50, 50]),
    ],
)
def test_validation_is_drawn_from_train(
    data: LabelledText, settings: dict[str, object], expected: list[int]
) -> None:
    splits = cut(data, **settings)
    assert counts(splits.validation, len(expected)) == expected
    drawn, left = set(splits.validation.texts), set(splits.pool.texts)
    assert not drawn & left
    assert drawn | left == set(data.train.texts)
    assert any("drawn from train before all else" in note for note in splits.notes)


def test_a_rare_class_is_left_to_train_on() -> None:
    splits = cut(labelled(970, 30))
    drawn = counts(splits.validation, 2)
    assert sum(drawn) == 100
    assert 2 <= drawn[1] <= 4
    assert any("more than half of 'class1'" in note for note in splits.notes)
    single = cut(labelled(90, *[1] * 10))
    assert min(counts(single.pool, 11)) == 1


def test_a_balanced_draw_takes_half_of_a_class_at_most() -> None:
    drawn = counts(cut(labelled(902, 98)).validation, 2)
    assert drawn[1] < 12


def test_validation_depends_on_the_datas_name_and_nothing_else() -> None:
    first, second = cut(labelled(400, 600)), cut(labelled(400, 600), sizes=(20,))
    assert first.validation.texts == second.validation.texts
    other = cut(labelled(400, 600, name="other"))
    assert first.validation.texts != other.validation.texts


@pytest.mark.parametrize("balance", ["balanced", "stratified"])
def test_a_seed_changes_which_examples_stand_for_their_class(balance: str) -> None:
    splits = cut(labelled(60, 60), balance=balance)
    orders = [splits.order(seed) for seed in range(20)]
    assert {int(splits.pool.labels[order[0]]) for order in orders} == {0, 1}
    chosen = {text for seed in range(20) for text in splits.train(40, seed).texts}
    assert len(chosen) > 90


def test_the_datas_own_validation_is_used() -> None:
    data = labelled(50, 50, validation=examples((7, 13), "own"))
    splits = cut(data)
    assert splits.validation is data.validation
    assert splits.pool is data.train
    part = cut(data, validation_size=10)
    assert counts(part.validation, 2) == [5, 5]
    assert set(part.validation.texts) <= set(data.validation.texts if data.validation else ())
    assert len(part.pool) == 100
    with pytest.raises(DataError, match="fewer validation examples") as caught:
        cut(data, validation_size=21)
    assert "20 at most" in caught.value.remedy


@pytest.mark.parametrize(
    ("data", "size", "remedy"),
    [
        (labelled(5, 5), 9, "to 8 at most"),
        (labelled(5, 5, 5), 13, "to 12 at most"),
        (labelled(1, 1), 1, "Add examples"),
    ],
)
def test_a_validation_size_too_large(data: LabelledText, size: int, remedy: str) -> None:
    with pytest.raises(DataError, match="too few examples to train on") as caught:
        cut(data, validation_size=size)
    assert remedy in caught.value.remedy
    if "at most" in remedy:
        assert min(counts(cut(data, validation_size=size - 1).pool, len(data.label_names))) == 1


def test_balance_by_default() -> None:
    assert cut(labelled(40, 60)).balance == "balanced"
    assert cut(labelled(40, 60, 100)).balance == "stratified"
    assert cut(labelled(40, 60, 100), balance="balanced").balance == "balanced"
    assert cut(labelled(40, 60), balance="stratified").balance == "stratified"


def test_training_sets() -> None:
    splits = cut(labelled(100, 300), sizes=(20, 100, 300))
    assert splits.sizes == (20, 100, 300)
    for size in splits.sizes[:2]:
        assert counts(splits.train(size, seed=0), 2) == [size // 2, size // 2]
    assert counts(splits.train(300, seed=0), 2) == [80, 220]
    assert set(splits.train(20, 0).texts) != set(splits.train(20, 1).texts)
    assert splits.train(20, 1).texts == cut(labelled(100, 300)).train(20, 1).texts
    assert splits.train(20, 1).texts != cut(labelled(100, 300, name="x")).train(20, 1).texts
    assert any("balanced up to 161" in note and "'class0'" in note for note in splits.notes)


def test_a_size_larger_than_the_pool() -> None:
    with pytest.raises(DataError) as caught:
        cut(labelled(50, 50), sizes=(10, 91))
    assert "fewer examples than the training size 91" in str(caught.value)
    assert "90 to train on, besides 10 that select" in str(caught.value)
    assert "largest size that works is 90" in caught.value.remedy
    assert cut(labelled(50, 50), sizes=(10, 90)).sizes == (10, 90)


def test_strict_balance_names_the_largest_size() -> None:
    data = labelled(100, 300)
    with pytest.raises(DataError) as caught:
        cut(data, sizes=(20, 162), balance="strict")
    assert "162 cannot be balanced" in str(caught.value)
    assert "80 examples of 'class0'" in str(caught.value)
    assert "largest size that can be is 161" in caught.value.remedy
    assert "--balance strict" in caught.value.remedy
    splits = cut(data, sizes=(161,), balance="strict")
    assert counts(splits.train(161, 0), 2) == [80, 81]
    assert splits.available == 161
    assert cut(data, balance="strict").sizes[-1] == 161
    with pytest.raises(DataError, match="fewer examples") as caught:
        cut(data, sizes=(400,), balance="strict")
    assert "works is 161" in caught.value.remedy


def test_a_size_that_would_hold_one_class() -> None:
    data = labelled(950, 50, 10)
    with pytest.raises(DataError, match="one class only") as caught:
        cut(data, sizes=(2, 900))
    smallest = int(caught.value.remedy.split()[-1].rstrip("."))
    assert cut(data, sizes=(smallest,)).sizes == (smallest,)
    with pytest.raises(DataError, match="one class only"):
        cut(data, sizes=(smallest - 1,))
    with pytest.raises(DataError, match="one class only") as caught:
        cut(labelled(50, 50), sizes=(1,))
    assert "works is 2." in caught.value.remedy


def test_a_ladder_leaves_out_sizes_of_one_class() -> None:
    splits = cut(labelled(20000, 12, 12))
    assert splits.sizes[-1] == len(splits.pool)
    assert set(splits.sizes) < set(ladder(splits.available))
    for size in splits.sizes:
        assert len(set(splits.train(size, 3).labels.tolist())) > 1


def test_classes_that_a_small_size_lacks_are_noted() -> None:
    splits = cut(labelled(*[20] * 10), sizes=(4, 100))
    assert "Training sets of 4 lack 6 of 10 classes." in splits.notes
    assert not any("of 100 lack" in note for note in splits.notes)


@pytest.mark.parametrize(
    ("available", "sizes"),
    [
        (2, (2,)),
        (10, (10,)),
        (60, (8, 15, 30, 60)),
        (100, (15, 25, 50, 100)),
        (800, (50, 100, 200, 400, 800)),
        (1000, (50, 100, 250, 500, 1000)),
        (66349, (250, 1000, 4000, 15000, 66349)),
    ],
)
def test_ladder(available: int, sizes: tuple[int, ...]) -> None:
    assert ladder(available) == sizes
