"""Cuts that set examples apart to select and to test, and leave every class some to train on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.data.examples import Examples
from weft.data.sampling import balanced_order, rank_within_class, stratified_order
from weft.errors import DataError
from weft.randomness import generator_for


def stratified_cut(
    labels: NDArray[np.int64], size: int, rng: np.random.Generator, keep: int
) -> NDArray[np.int64]:
    """(size,) places drawn in proportion to the classes.

    `keep` examples of each class, drawn too, are left: without that a class of one could be
    taken whole. What remains after them must hold `size`.
    """
    shuffled = rng.permutation(len(labels))
    spare = np.sort(shuffled[rank_within_class(labels[shuffled]) >= keep])
    assert size <= len(spare)
    return spare[stratified_order(labels[spare], rng)[:size]]


def balanced_cut(
    labels: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(size,) places drawn so that the classes are equal in number, to within one."""
    return balanced_order(labels, rng)[:size]


def without(total: int, taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ascending places of 0 .. total - 1 that were not taken."""
    return np.setdiff1d(np.arange(total), taken, assume_unique=True)


def cut_three(data: Examples, name: str, where: str) -> tuple[Examples, Examples, Examples, str]:
    """Train, validation and test of a file that has no splits: stratified 70/15/15, and a note.

    Raises:
        DataError: there are too few examples for all three.
    """
    held = round(0.15 * len(data))
    classes = len(np.unique(data.labels))
    if held < 1 or 2 * held > len(data) - classes:
        raise DataError(
            f"{where}: too few examples to cut train, validation and test from.",
            found=f"{len(data):,} examples of {classes:,} classes",
            remedy="Add examples, or give a folder with train and test files.",
        )
    drawn = stratified_cut(data.labels, 2 * held, generator_for("split", name), keep=1)
    test, validation = np.sort(drawn[:held]), np.sort(drawn[held:])
    train = without(len(data), drawn)
    note = (
        f"{where} has no splits: cut 70/15/15 within each class into "
        f"{len(train):,} train, {held:,} validation and {held:,} test examples."
    )
    return data.take(train), data.take(validation), data.take(test), note
