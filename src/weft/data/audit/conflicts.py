"""Examples of the same text with different labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.data.audit.corpus import SHOWN, Corpus, Row, Split, by_split


@dataclass(frozen=True)
class Conflict:
    """One text that bears several labels."""

    labels: dict[str, int]  # label to the number of examples
    rows: tuple[Row, ...]
    """One example of each label, and no more than a few."""


@dataclass(frozen=True)
class Conflicts:
    """Texts that bear several labels, compared as `words.normalised` leaves them."""

    texts: int
    examples: dict[Split, int]
    """Examples of such texts in each split."""
    shown: tuple[Conflict, ...]


def find_conflicts(corpus: Corpus) -> Conflicts:
    """Compares all splits' labels; of texts read alike, any two labels are in conflict."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(corpus.keys):
        places.setdefault(key, []).append(place)
    torn = [
        group for group in places.values() if len(group) > 1 and len(set(corpus.labels[group])) > 1
    ]
    marked = np.zeros(len(corpus), np.bool_)
    marked[[place for group in torn for place in group]] = True
    return Conflicts(
        texts=len(torn),
        examples=by_split(corpus.split, marked),
        shown=tuple(_conflict(corpus, group) for group in torn[:SHOWN]),
    )


def _conflict(corpus: Corpus, group: list[int]) -> Conflict:
    labels, first, counts = np.unique(corpus.labels[group], return_index=True, return_counts=True)
    return Conflict(
        labels={
            corpus.label_names[int(label)]: int(count)
            for label, count in zip(labels, counts, strict=True)
        },
        rows=tuple(corpus.row(group[int(at)]) for at in first[:SHOWN]),
    )
