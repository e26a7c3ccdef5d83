"""Training sizes: the default ladder, ladders as typed, and which sizes can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from weft.errors import ConfigError, DataError, brief

_MOST = 1000  # sizes of a ladder
_DIGITS = 18  # of a number as typed: more is a slip of the keyboard


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


def sizes_of(text: str, name: str = "sizes") -> tuple[int, ...]:
    """Training sizes as typed: whole numbers and ladders FROM:TO:COUNT, separated by commas.

    A ladder has COUNT whole numbers from FROM to TO, both included, each the same multiple of the
    one before it up to rounding: `250:16000:7` is 250, 500, 1,000 ... 16,000. The order is the
    one given; that sizes ascend is for the configuration to check.

    Args:
        text: e.g. `250,1000,4000` or `250:16000:7,56000`.
        name: what the sizes are called where they were typed, for the error.

    Raises:
        ConfigError: a part is no whole number, or no ladder can be made of it.
    """
    sizes: list[int] = []
    for part in text.split(","):
        numbers = [_whole(number, text, name) for number in part.split(":")]
        if len(numbers) not in (1, 3):
            raise ConfigError(
                f"{name}: a ladder is FROM:TO:COUNT",
                found=repr(part.strip()),
                remedy="give all three, e.g. 250:16000:7, or whole numbers, e.g. 250,1000,4000",
            )
        if len(numbers) == 1:
            sizes += numbers
        else:
            first, last, count = numbers
            sizes += _geometric(first, last, count, name)
    return tuple(sizes)


def _geometric(first: int, last: int, count: int, name: str) -> list[int]:
    shown = f"'{first}:{last}:{count}'"
    if not 0 < first < last:
        raise ConfigError(
            f"{name}: a ladder climbs from at least 1",
            found=shown,
            remedy="write the smaller size first, e.g. 250:16000:7",
        )
    if count > _MOST:
        raise ConfigError(
            f"{name}: a ladder has {_MOST:,} sizes at most",
            found=shown,
            remedy="ask for fewer, e.g. 250:16000:7",
        )
    if count < 2:
        raise ConfigError(
            f"{name}: a ladder has both its ends, so its COUNT is 2 or more",
            found=shown,
            remedy=f"e.g. {first}:{last}:2, or the size alone",
        )
    # no ladder of distinct whole numbers is longer; checked first, as COUNT may be any number
    if count <= last - first + 1:
        steps = [round(first * (last / first) ** (i / (count - 1))) for i in range(count)]
        if all(below < above for below, above in pairwise(steps)):
            return steps
    raise ConfigError(
        f"{name}: {count:,} sizes from {first:,} to {last:,} would repeat some",
        found=shown,
        remedy="ask for fewer, or for a wider ladder",
    )


def _whole(text: str, whole: str, name: str) -> int:
    plain = text.strip().replace("_", "")
    if not _is_whole(plain):
        raise ConfigError(
            f"{name} takes whole numbers and ladders FROM:TO:COUNT",
            found=brief(text.strip())
            if text.strip() == whole
            else f"{brief(text.strip())} in {brief(whole)}",
            remedy=f"e.g. {name} 250,1000,4000 or {name} 250:16000:7",
        )
    return int(plain)


def seeds_at_of(text: str) -> dict[int, int]:
    """Numbers of seeds by size as typed, e.g. `56000:2` or `8000:5,56000:2`.

    Raises:
        ConfigError: a part is no such pair.
    """
    found: dict[int, int] = {}
    for part in text.split(","):
        size, _, seeds = (number.strip().replace("_", "") for number in part.partition(":"))
        if not (_is_whole(size) and _is_whole(seeds)):
            raise ConfigError(
                "seeds_at takes whole numbers, SIZE:SEEDS",
                found=brief(part.strip()),
                remedy="e.g. seeds_at 8000:5,56000:2",
            )
        found[int(size)] = int(seeds)
    return found


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def balanced_part(counts: NDArray[np.int64]) -> int:
    """Longest prefix of a balanced order in which no two classes differ by more than one.

    counts: (C,) examples of each class.
    """
    least = int(counts.min())
    return len(counts) * least + int((counts > least).sum())


def capped(sizes: Sequence[int], available: int, balanced: bool) -> tuple[list[int], list[str]]:
    """The sizes, none above `available`; and a note where some were brought down to it."""
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
