"""How long the texts are and how the labels are spread, split by split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.data.audit.corpus import Corpus, Split

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Distribution:
    """Lengths and labels of one split."""

    split: Split
    examples: int
    labels: dict[str, int]  # every class, those without an example too
    mean_words: float
    shortest: int  # words
    quantiles: dict[str, float]  # of words, e.g. `0.5`
    longest: int  # words
    wordless: int
    """Examples of punctuation alone; blank ones are refused on reading."""


def distributions(corpus: Corpus) -> tuple[Distribution, ...]:
    """One for each split that holds an example; a pair's words are those of both texts."""
    return tuple(_distribution(corpus, name) for name in corpus.splits if corpus.splits[name])


def _distribution(corpus: Corpus, name: Split) -> Distribution:
    part = corpus.splits[name]
    lengths = corpus.words(name).lengths
    if part.pairs is not None:
        lengths = lengths - 1  # the separator
    counts = np.bincount(part.labels, minlength=len(corpus.label_names)).tolist()
    at = np.quantile(lengths, QUANTILES).tolist()
    return Distribution(
        split=name,
        examples=len(part),
        labels=dict(zip(corpus.label_names, counts, strict=True)),
        mean_words=float(lengths.mean()),
        shortest=int(lengths.min()),
        quantiles={str(q): float(value) for q, value in zip(QUANTILES, at, strict=True)},
        longest=int(lengths.max()),
        wordless=int((lengths == 0).sum()),
    )
