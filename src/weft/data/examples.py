"""Labelled text in memory: examples, and a data set with its splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Examples:
    """Labelled texts, in an order that is theirs."""

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    """Second text of each pair; None where examples are single texts."""
    labels: NDArray[np.int64]
    """(B,) index into the data set's label_names."""
    lines: NDArray[np.int64] | None = None
    """(B,) line of the file, or row of the table, that each was read from, counted from 1; None
    where they were read from none."""
    weights: NDArray[np.float64] | None = None
    """(B,) how much each counts in a loss, 1 on average; None where all count alike."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: NDArray[np.int64]) -> Examples:
        """The examples at these places, in this order. index: (any,) integers."""
        at = cast(list[int], index.tolist())
        pairs = None if self.pairs is None else tuple(self.pairs[i] for i in at)
        lines = None if self.lines is None else self.lines[index]
        weights = None if self.weights is None else self.weights[index]
        texts = tuple(self.texts[i] for i in at)
        return Examples(texts, pairs, self.labels[index], lines, weights)


@dataclass(frozen=True)
class LabelledText:
    """A data set as read, before the protocol draws from it."""

    name: str
    """Short and safe as a folder name: `sst2`, `demo`, `reviews`."""
    label_names: tuple[str, ...]
    positive: int | None
    """Index of the positive class; None for more than two classes."""
    train: Examples
    validation: Examples | None
    """Only where the data bring their own."""
    test: Examples
    origin: str
    """One sentence: where it was read from."""
    hashes: dict[str, str]
    """sha256 of each file's bytes by file name; for a hub set of each split's texts and labels."""
    notes: tuple[str, ...]
    """What was decided on reading, one sentence each."""
