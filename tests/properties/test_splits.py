"""Orders nest, keep their balance in every prefix, and never meet the validation set."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from weft.config import DataSettings
from weft.data.sampling import balanced_order, stratified_order
from weft.data.sizes import balanced_part, ladder
from weft.data.sources import Examples, LabelledText
from weft.data.splits import split

class_counts = st.lists(st.integers(1, 40), min_size=2, max_size=9)
lopsided = st.lists(st.sampled_from([1, 1, 2, 3, 50, 200]), min_size=2, max_size=12)
seeds = st.integers(0, 2**32)


def labels_of(counts: list[int], seed: int) -> NDArray[np.int64]:
    """Labels in an order of their own, as a file would hold them."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels)


def prefixes(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(B + 1, C) class counts of every prefix."""
    one_hot = np.eye(classes, dtype=np.int64)[labels]
    return np.vstack([np.zeros((1, classes), np.int64), one_hot.cumsum(axis=0)])


@given(class_counts | lopsided, seeds)
@settings(deadline=None)
def test_balanced_in_every_prefix_as_long_as_classes_last(counts: list[int], seed: int) -> None:
    labels = labels_of(counts, seed)
    order = balanced_order(labels, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(labels)))
    seen = prefixes(labels[order], len(counts))
    for row in seen:
        left = row[row < np.array(counts)]
        # Classes not yet used up stay level with each other, and none that is used up is ahead.
        if len(left):
            assert left.max() - left.min() <= 1
            assert row.max() - left.min() <= 1
    level = balanced_part(np.array(counts))
    spread = seen.max(axis=1) - seen.min(axis=1)
    assert spread[: level + 1].max() <= 1
    if level < len(labels):
        assert spread[level + 1] > 1


@given(class_counts | lopsided, seeds)
@settings(deadline=None)
def test_proportional_in_every_prefix(counts: list[int], seed: int) -> None:
    labels = labels_of(counts, seed)
    order = stratified_order(labels, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(labels)))
    seen = prefixes(labels[order], len(counts))
    share = np.outer(np.arange(len(labels) + 1), counts)
    # In whole numbers: |seen - k n / B| < 1 for every class and every k.
    assert (np.abs(seen * len(labels) - share) < len(labels)).all()


@given(class_counts | lopsided, seeds, seeds)
@settings(deadline=None)
def test_how_many_classes_a_prefix_holds_does_not_depend_on_the_seed(
    counts: list[int], one: int, other: int
) -> None:
    labels = labels_of(counts, 0)
    for draw in (balanced_order, stratified_order):
        first, second = (
            prefixes(labels[draw(labels, np.random.default_rng(seed))], len(counts))
            for seed in (one, other)
        )
        assert ((first > 0).sum(axis=1) == (second > 0).sum(axis=1)).all()


@given(
    st.lists(st.integers(4, 60), min_size=2, max_size=5),
    st.sampled_from(["auto", "balanced", "stratified", "strict"]),
    st.integers(0, 10**6),
)
@settings(deadline=None)
def test_validation_and_training_sets(counts: list[int], balance: str, seed: int) -> None:
    labels = labels_of(counts, seed)
    texts = tuple(f"text {i}" for i in range(len(labels)))
    train = Examples(texts, tuple(f"pair of {text}" for text in texts), labels)
    names = tuple(f"class{i}" for i in range(len(counts)))
    data = LabelledText("any", names, None, train, None, train, "Made here.", {}, ())
    chosen = DataSettings.model_validate({"balance": balance})
    splits = split(data, chosen, None)

    drawn, pool = set(splits.validation.texts), set(splits.pool.texts)
    assert not drawn & pool
    assert drawn | pool == set(texts)
    assert set(splits.pool.labels.tolist()) == set(range(len(counts)))

    again = split(data, chosen, None)
    assert again.validation.texts == splits.validation.texts
    assert (again.order(seed) == splits.order(seed)).all()

    before: tuple[str, ...] = ()
    for size in splits.sizes:
        chosen_set = splits.train(size, seed)
        assert len(chosen_set) == size == len(set(chosen_set.texts))
        assert chosen_set.texts[: len(before)] == before
        assert set(chosen_set.texts) <= pool
        for text, pair, label in zip(
            chosen_set.texts, chosen_set.pairs or (), chosen_set.labels, strict=True
        ):
            at = int(text.removeprefix("text "))
            assert pair == f"pair of {text}"
            assert label == labels[at]
        if balance == "strict":
            per_class = np.bincount(chosen_set.labels, minlength=len(counts))
            assert per_class.max() - per_class.min() <= 1
        before = chosen_set.texts


@given(st.integers(1, 10**7))
def test_ladder_climbs_to_all_that_is_there(available: int) -> None:
    sizes = ladder(available)
    assert sizes[-1] == available
    assert list(sizes) == sorted(set(sizes))
    assert 1 <= len(sizes) <= 5
    assert len(sizes) == 5 or available < 200
