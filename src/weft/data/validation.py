"""The validation set: one a study, drawn before all else, or the data's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.config import DataSettings
from weft.data.cutting import balanced_cut, stratified_cut, without
from weft.data.examples import Examples, LabelledText
from weft.data.sizes import balanced_part
from weft.errors import DataError
from weft.randomness import generator_for


def set_validation_apart(
    data: LabelledText, settings: DataSettings, balanced: bool
) -> tuple[Examples, Examples, str]:
    """Pool, validation set and a note that says how it came about.

    A validation split that is there is used whole, or `validation_size` examples of it.
    Otherwise it is drawn from train; what is left is the pool.

    Args:
        balanced: draw the classes in equal numbers, where there are two.

    Raises:
        DataError: there are too few examples for the size asked for; names the largest.
    """
    size, own = settings.validation_size, data.validation
    if own is not None:
        if size is None or size == len(own):
            return (
                data.train,
                own,
                f"Validation: all {len(own):,} examples of its split.",
            )
        if size > len(own):
            raise DataError(
                f"{data.name}: there are fewer validation examples than the {size:,} asked for.",
                found=f"{len(own):,} in the validation split",
                remedy=f"Set the validation size to {len(own):,} at most, or leave it out.",
            )
        drawn, how = _draw(own.labels, size, data, balanced, keep=0)
        note = f"Validation: {size:,} of the {len(own):,} examples of its split, {how}."
        return data.train, own.take(drawn), note
    train, classes = data.train, len(data.label_names)
    size = size or min(1000, max(len(train) // 10, 2))
    most = len(train) - classes
    if size > most:
        raise DataError(
            f"{data.name}: a validation set of {size:,} leaves too few examples to train on.",
            found=f"{len(train):,} training examples of {classes:,} classes",
            remedy=f"Set the validation size to {most:,} at most."
            if most > 0
            else "Add examples: at least one of each class trains, and others select.",
        )
    drawn, how = _draw(train.labels, size, data, balanced, keep=1)
    note = f"Validation: {size:,} examples drawn from train before all else, {how}."
    return train.take(without(len(train), drawn)), train.take(drawn), note


def _draw(
    labels: NDArray[np.int64], size: int, data: LabelledText, balanced: bool, keep: int
) -> tuple[NDArray[np.int64], str]:
    """Ascending places, and how they were drawn; `keep` examples of each class are left."""
    rng = generator_for("validation", data.name)
    counts = np.bincount(labels, minlength=len(data.label_names))
    if not balanced or len(counts) != 2:
        return np.sort(stratified_cut(labels, size, rng, keep)), "in proportion to the classes"
    # A rare class is worth more in training: a balanced draw may take half of it, not more.
    if keep and -(-size // 2) > int(counts.min()) // 2:
        drawn = stratified_cut(labels, size, rng, keep)
        least = data.label_names[int(counts.argmin())]
        why = f"a balanced draw would take more than half of {least!r}"
        return np.sort(drawn), f"in proportion to the classes, for {why}"
    how = "balanced" if size <= balanced_part(counts) else "balanced as far as the classes last"
    return np.sort(balanced_cut(labels, size, rng)), how
