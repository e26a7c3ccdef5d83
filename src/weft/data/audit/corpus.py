"""All examples of a data set in one line, whichever split they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weft.data.audit.runs import Runs
from weft.data.audit.words import joined, normalised
from weft.data.examples import Examples

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SHOWN = 3
"""Examples that a finding shows."""


@dataclass(frozen=True)
class Row:
    """One example, as a finding shows it."""

    split: Split
    index: int  # place in the split, from 0
    line: int | None  # line of the file it was read from, or row of a table, from 1
    text: str
    pair: str | None
    label: str

    @classmethod
    def of(cls, part: Examples, split: Split, index: int, label_names: tuple[str, ...]) -> Row:
        """The example at a place of `part`, which is a split or some of it."""
        return cls(
            split=split,
            index=index,
            line=None if part.lines is None else int(part.lines[index]),
            text=part.texts[index],
            pair=None if part.pairs is None else part.pairs[index],
            label=label_names[int(part.labels[index])],
        )


class Corpus:
    """The examples of all splits, train first.

    Args:
        splits: some or all of `SPLITS`.
        label_names: of all classes.
    """

    def __init__(self, splits: Mapping[Split, Examples], label_names: tuple[str, ...]) -> None:
        self.splits: dict[Split, Examples] = {
            name: splits[name] for name in SPLITS if name in splits
        }
        self.label_names = label_names
        self.texts = [text for part in self.splits.values() for text in joined(part)]
        """One string an example."""
        self._words: dict[Split, Runs] = {}
        self.keys = [normalised(text) for text in self.texts]
        """Equal where the texts count as the same."""
        self.labels = np.concatenate([part.labels for part in self.splits.values()])
        sizes = [len(part) for part in self.splits.values()]
        self.split = np.repeat([SPLITS.index(name) for name in self.splits], sizes)
        """(B,) place of its split in `SPLITS`."""
        self._starts = dict(zip(self.splits, np.cumsum([0, *sizes]).tolist(), strict=False))

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, name: Split) -> list[str]:
        """The texts of one split, one string an example."""
        start = self._starts[name]
        return self.texts[start : start + len(self.splits[name])]

    def words(self, name: Split) -> Runs:
        """The words of one split's texts; cut and hashed once."""
        if name not in self._words:
            self._words[name] = Runs.of(self.of(name))
        return self._words[name]

    def row(self, place: int) -> Row:
        """The example at a place of the line."""
        name = SPLITS[int(self.split[place])]
        return self.row_of(name, place - self._starts[name])

    def row_of(self, name: Split, index: int) -> Row:
        """The example at a place of a split."""
        return Row.of(self.splits[name], name, int(index), self.label_names)


def by_split(split: NDArray[np.int64], marked: NDArray[np.bool_]) -> dict[Split, int]:
    """How many of the marked examples each split holds. split, marked: (B,)."""
    counts = np.bincount(split[marked], minlength=len(SPLITS))
    return {name: int(counts[place]) for place, name in enumerate(SPLITS)}
