"""What examples that select or test share with train: whole examples, and runs of words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.data.audit.corpus import SHOWN, Corpus, Row, Split
from weft.data.audit.runs import Runs, sharing, whole_in

RUN = 4
"""Words, or tokens, from which a shared run counts."""


@dataclass(frozen=True)
class Overlap:
    """An example, and one of train that it holds or lies in."""

    row: Row
    how: str  # `contains`, `lies in` or `equals`
    train: Row


@dataclass(frozen=True)
class Leak:
    """How many examples of one split share text with train."""

    split: Split
    examples: int
    contain: int
    """Hold a whole train example as an unbroken run of words."""
    contain_run: int
    """The same, the train example being of at least `RUN` words."""
    lie_in: int
    """Stand whole in a train example."""
    either: int
    share_run: int
    """Share at least `RUN` tokens in a row with some train example; tokens are what blanks
    separate, so punctuation that stands alone is one."""
    train: int
    """Train examples that hold, or lie in, one of this split."""
    shown: tuple[Overlap, ...]


def find_leaks(corpus: Corpus) -> tuple[Leak, ...]:
    """Compares the words of validation and test with those of train."""
    train, tokens = corpus.words("train"), Runs.of(corpus.of("train"), str.split)
    return tuple(_leak(corpus, name, train, tokens) for name in corpus.splits if name != "train")


def _leak(corpus: Corpus, name: Split, train: Runs, tokens: Runs) -> Leak:
    own = corpus.words(name)
    holder, train_holds = whole_in(own, train)
    train_lies, held = whole_in(train, own)
    either = (holder >= 0) | (held >= 0)
    # the longest that is shared whole tells most
    shared = np.where(holder >= 0, own.lengths, np.where(held >= 0, train.lengths[held], 0))
    chosen = np.argsort(-shared, kind="stable")[: min(SHOWN, int(either.sum()))].tolist()
    return Leak(
        split=name,
        examples=len(own.lengths),
        contain=int((held >= 0).sum()),
        contain_run=int((train.lengths[held[held >= 0]] >= RUN).sum()),
        lie_in=int((holder >= 0).sum()),
        either=int(either.sum()),
        share_run=int(sharing(Runs.of(corpus.of(name), str.split), tokens, RUN).sum()),
        train=int(((train_lies >= 0) | (train_holds >= 0)).sum()),
        shown=tuple(
            _overlap(corpus, name, own, train, k, int(holder[k]), int(held[k])) for k in chosen
        ),
    )


def _overlap(
    corpus: Corpus, name: Split, own: Runs, train: Runs, place: int, holder: int, held: int
) -> Overlap:
    other = holder if holder >= 0 else held
    same = own.lengths[place] == train.lengths[other]
    how = "equals" if same else "lies in" if holder >= 0 else "contains"
    return Overlap(corpus.row_of(name, place), how, corpus.row_of("train", int(other)))
