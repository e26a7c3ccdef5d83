"""Training sizes: the default ladder, and which of those asked for can be trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from weft.errors import DataError


def ladder(available: int) -> tuple[int, ...]:
    """Default sizes: up to five, ascending, two to four times apart, the last all that is there.

    The first is near 50 where there are enough for that; those below 8 are left out.
    """
    factor = min(max((available / 50) ** 0.25, 2.0), 4.0)
    steps = [_friendly(available / factor**i) for i in (4, 3, 2, 1) if available > factor**i]
    return (*sorted({size for size in steps if 8 <= size < available}), available)


def _friendly(size: float) -> int:
    """The nearest by ratio of 1, 1.5, 2, 2.5, 3, 4, 5, 6 and 8 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(size))
    candidates = [power * m for m in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)]
    return round(min(candidates, key=lambda one: abs(float(np.log(one / size)))))


def balanced_part(counts: NDArray[np.int64]) -> int:
    """Longest prefix of a balanced order in which no two classes differ by more than one.

    counts: (C,) examples of each class.
    """
    least = int(counts.min())
    return len(counts) * least + int((counts > least).sum())


def capped(sizes: Sequence[int], available: int, balanced: bool) -> tuple[list[int], list[str]]:
    """The sizes with those above `available` brought down to it, and a note where there were any."""
    above = [size for size in sizes if size > available]
    if not above:
        return list(sizes), []
    what = "can be drawn balanced from" if balanced else "there are in"
    note = (
        f"{available:,} is the most that {what} what remains: "
        f"it stands for {', '.join(f'{size:,}' for size in above)}."
    )
    return sorted({min(size, available) for size in sizes}), [note]


class SizeCheck:
    """What a prefix of the pool's order can hold.

    Args:
        ordered: (B,) labels in the order of any seed: how many classes a prefix holds is the same
            for all of them.
        label_names: of all classes.
        available: the largest size; less than B where balance is strict.
        kept: examples that validation holds, for the error.
    """

    def __init__(
        self, ordered: NDArray[np.int64], label_names: Sequence[str], available: int, kept: int
    ) -> None:
        self.ordered = ordered
        self.label_names = label_names
        self.available = available
        self.kept = kept
        _, first = np.unique(ordered, return_index=True)
        self._first = np.sort(first)

    def classes(self, size: int) -> int:
        """How many classes a training set of this size holds."""
        return int((self._first < size).sum())

    def refuse(self, size: int, name: str) -> None:
        """Raises a DataError, with the size that would work, for one that cannot be trained."""
        if size > len(self.ordered):
            raise DataError(
                f"{name}: there are fewer examples than the training size {size:,}.",
                found=f"{len(self.ordered):,} to train on, besides {self.kept:,} that select",
                remedy=f"The largest size that works is {self.available:,}.",
            )
        if size > self.available:
            counts = np.bincount(self.ordered, minlength=len(self.label_names))
            at = int(counts.argmin())
            raise DataError(
                f"{name}: a training set of {size:,} cannot be balanced.",
                found=f"{int(counts[at]):,} examples of {self.label_names[at]!r} to train on",
                remedy=f"The largest size that can be is {self.available:,}; or leave out "
                "--balance strict.",
            )
        if self.classes(size) < 2:
            raise DataError(
                f"{name}: a training set of {size:,} would hold one class only.",
                found=f"{size:,} times {self.label_names[int(self.ordered[0])]!r}, in proportion"
                if size > 1
                else None,
                remedy=f"The smallest size that works is {int(self._first[1]) + 1:,}.",
            )

    def note(self, size: int) -> str | None:
        """A sentence where a training set lacks classes."""
        lacking = len(self.label_names) - self.classes(size)
        if not lacking:
            return None
        return f"Training sets of {size:,} lack {lacking:,} of {len(self.label_names):,} classes."
