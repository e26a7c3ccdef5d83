"""The protocol's draws: one validation set a study, one order of the pool a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weft.config import DataSettings
from weft.data.disjoint import drop_overlapping
from weft.data.examples import Examples, LabelledText
from weft.data.sampling import balanced_order, stratified_order
from weft.data.sizes import SizeCheck, balanced_part, capped, ladder
from weft.data.validation import set_validation_apart
from weft.randomness import generator_for

__all__ = ["Splits", "ladder", "split"]


@dataclass(frozen=True)
class Splits:
    """What a study trains, selects and tests on."""

    name: str
    """The data set's name; the draws depend on it."""
    pool: Examples
    """What training sets are drawn from."""
    validation: Examples
    test: Examples
    balance: Literal["balanced", "stratified"]
    available: int
    """The largest training size: the whole pool, or what can be balanced of it, under `strict` and
    where a disjoint validation set has thinned out a balanced pool."""
    sizes: tuple[int, ...]
    """Training sizes, all of which can be trained: those asked for, else the ladder."""
    notes: tuple[str, ...]
    """What was decided on splitting, one sentence each."""

    def order(self, seed: int) -> NDArray[np.int64]:
        """(B,) permutation of the pool; its prefixes are the training sets, so they nest."""
        draw = balanced_order if self.balance == "balanced" else stratified_order
        return draw(self.pool.labels, generator_for("order", self.name, seed))

    def train(self, size: int, seed: int) -> Examples:
        """The first `size` examples of the seed's order."""
        assert 0 < size <= len(self.pool)
        return self.pool.take(self.order(seed)[:size])


def split(data: LabelledText, settings: DataSettings, sizes: Sequence[int] | None) -> Splits:
    """Draws the validation set, if the data bring none, and checks that all sizes can be trained.

    With `validation` disjoint the validation set is the same, the pool loses what overlaps it, and
    sizes that are then too large are brought down to the largest there is.

    Args:
        sizes: training sizes asked for; None: a ladder of what is there.

    Raises:
        DataError: a size is too large, cannot be balanced under `strict` or would hold one class,
            or the validation set is larger than the data allow; names the size that would work.
    """
    balanced = settings.balance in ("balanced", "strict") or (
        settings.balance == "auto" and len(data.label_names) == 2
    )
    pool, validation, note = set_validation_apart(data, settings, balanced)
    notes = [note]
    disjoint = settings.validation == "disjoint"
    if disjoint:
        pool, said = drop_overlapping(pool, validation, data.label_names, data.name)
        notes.append(said)
    counts = np.bincount(pool.labels, minlength=len(data.label_names))
    level = balanced_part(counts[counts > 0])
    even = settings.balance == "strict" or (disjoint and balanced)
    available = level if even else len(pool)
    kind = "balanced" if balanced else "stratified"
    drawn = Splits(data.name, pool, validation, data.test, kind, available, (), ())

    check = SizeCheck(
        pool.labels[drawn.order(seed=0)], data.label_names, available, len(validation)
    )
    if sizes is None:
        sizes = [size for size in ladder(available) if check.classes(size) > 1]
    elif disjoint:
        sizes, said = capped(sizes, available, balanced)
        notes += said
    for size in sorted(sizes, reverse=True):  # the largest first: its error helps most
        check.refuse(size, data.name)
    notes += [said for size in sizes if (said := check.note(size)) is not None]
    if balanced and max(sizes, default=0) > level:
        least = int(counts.argmin())
        notes.append(
            f"Training sets are balanced up to {level:,} examples; then the {int(counts[least]):,} "
            f"of {data.label_names[least]!r} are used up and the rest goes on with what is left."
        )
    return replace(drawn, sizes=tuple(sizes), notes=tuple(notes))
