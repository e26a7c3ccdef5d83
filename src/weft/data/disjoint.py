"""Train without the examples that contain, or lie in, one that selects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from weft.data.audit.runs import Runs, whole_in
from weft.data.audit.words import joined
from weft.data.examples import Examples
from weft.errors import DataError

_LISTED = 6  # classes whose numbers a note names one by one


def drop_overlapping(
    pool: Examples, validation: Examples, label_names: Sequence[str], name: str
) -> tuple[Examples, str]:
    """What remains of the pool, and a note that says what was dropped.

    An example goes if its words stand in those of a validation example as an unbroken run, or the
    other way about; case and punctuation are not told apart. A train example of one word lies in
    every text that has the word: the note says how many such there were.

    Raises:
        DataError: fewer than two classes remain.
    """
    train, own = Runs.of(joined(pool)), Runs.of(joined(validation))
    lies, _ = whole_in(train, own)
    _, holds = whole_in(own, train)
    gone = (lies >= 0) | (holds >= 0)
    kept = pool.take(np.flatnonzero(~gone))
    counts = np.bincount(kept.labels, minlength=len(label_names))
    if (counts > 0).sum() < 2:
        raise DataError(
            f"{name}: too little remains to train on that shares no text with validation.",
            found=f"{int(gone.sum()):,} of {len(pool):,} examples contain or lie in a validation "
            "example",
            remedy="Leave out --validation disjoint, or set a smaller --validation-size.",
        )
    words = (train.lengths - (pool.pairs is not None))[gone]
    return kept, (
        f"Disjoint: {len(words):,} of {len(pool):,} train examples contain or lie in a validation "
        f"example and are dropped ({int((words == 1).sum()):,} of them are one word, "
        f"{int((words < 4).sum()):,} fewer than four); {len(kept):,} remain, "
        f"{_by_class(counts.tolist(), label_names)}."
    )


def _by_class(counts: list[int], names: Sequence[str]) -> str:
    if len(names) > _LISTED:
        return f"{min(counts):,} to {max(counts):,} of a class"
    return ", ".join(f"{count:,} {name!r}" for count, name in zip(counts, names, strict=True))
