"""Runs of words by their hashes: which texts stand whole in others, and which share a run.

A run's hash comes from sums over prefixes of the line of all words (R. Karp and M. Rabin, Efficient
randomized pattern-matching algorithms, 1987), so the windows of one length cost one pass. Hashes
have 64 bits and are not checked against the words: among 10^8 windows and 10^5 texts a false hit
is expected in fewer than one of a hundred thousand data sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.data.audit.words import normalised, words

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
_BASE = 0x9E3779B97F4A7C15 - 2  # odd, and 3 modulo 8, so that order counts down to the low bits
_INVERSE = pow(_BASE, -1, 1 << 64)
_ANCHOR = 8  # words; longer texts are sought only where their first ones stand


@dataclass(frozen=True)
class Runs:
    """The words of B texts in one line of T words, any run of which has its hash at once."""

    offsets: Ints  # (B + 1,) text b holds words offsets[b]:offsets[b + 1]
    owners: Ints  # (T,) the text that a word belongs to
    room: Ints  # (T,) words from here to the end of the text
    sums: Hashes  # (T + 1,) of word i times base^i, modulo 2^64
    back: Hashes  # (T + 1,) base^-i

    @classmethod
    def of(cls, texts: Sequence[str], cut: Callable[[str], list[str]] = words) -> Runs:
        """Cuts B texts, once normalised, into words and hashes them."""
        known: dict[str, int] = {}
        line: list[int] = []
        lengths = np.zeros(len(texts), np.int64)
        for place, text in enumerate(texts):
            found = cut(normalised(text))
            lengths[place] = len(found)
            for word in found:
                if word not in known:
                    known[word] = _hash(word)
                line.append(known[word])
        total = len(line)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        owners = np.repeat(np.arange(len(texts)), lengths)
        room = offsets[1:][owners] - np.arange(total)
        terms = np.array(line, np.uint64) * _powers(_BASE, total)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
        return cls(offsets, owners, room, sums, _powers(_INVERSE, total + 1))

    @property
    def lengths(self) -> Ints:
        """(B,) words of each text."""
        return np.diff(self.offsets)

    def starts(self, length: int) -> Ints:
        """Where runs of `length` words begin that end within their text."""
        return np.flatnonzero(self.room >= length)

    def hashes(self, starts: Ints, length: int) -> Hashes:
        """Of the runs of `length` words from each of `starts`; comparable at equal length only."""
        return (self.sums[starts + length] - self.sums[starts]) * self.back[starts]


def whole_in(parts: Runs, wholes: Runs) -> tuple[Ints, Ints]:
    """Which of P texts stand in which of W others, as an unbroken run of words.

    Returns:
        (P,) for each part a whole that it lies in, -1 for none; and (W,) for each whole the
        longest part that it holds, -1 for none. Equal texts lie in each other; a text without a
        word lies nowhere.
    """
    holder = np.full(len(parts.lengths), -1, np.int64)
    held = np.full(len(wholes.lengths), -1, np.int64)
    long = np.flatnonzero(parts.lengths > _ANCHOR)
    anchors = np.unique(parts.hashes(parts.offsets[long], _ANCHOR))
    places = wholes.starts(_ANCHOR)
    anchored = places[_found(wholes.hashes(places, _ANCHOR), anchors)[1]]
    lengths = np.unique(parts.lengths)
    for length in lengths[lengths > 0].tolist():  # ascending: the longest part is kept in `held`
        here = np.flatnonzero(parts.lengths == length)
        distinct, first, same = np.unique(
            parts.hashes(parts.offsets[here], length), return_index=True, return_inverse=True
        )
        starts = (
            wholes.starts(length)
            if length <= _ANCHOR
            else anchored[wholes.room[anchored] >= length]
        )
        at, hit = _found(wholes.hashes(starts, length), distinct)
        owners, which = wholes.owners[starts[hit]][::-1], at[hit][::-1]  # the first comes last
        held[owners] = here[first[which]]
        of_distinct = np.full(len(distinct), -1, np.int64)
        of_distinct[which] = owners
        holder[here] = of_distinct[same]
    return holder, held


def sharing(runs: Runs, others: Runs, length: int) -> NDArray[np.bool_]:
    """(B,) whether a run of at least `length` words of a text stands in any of the others too."""
    starts = runs.starts(length)
    there = np.unique(others.hashes(others.starts(length), length))
    shared = np.zeros(len(runs.lengths), np.bool_)
    shared[runs.owners[starts[_found(runs.hashes(starts, length), there)[1]]]] = True
    return shared


def _found(sought: Hashes, ordered: Hashes) -> tuple[Ints, NDArray[np.bool_]]:
    """Places of hashes among ascending ones, and whether they are there."""
    if not len(ordered):
        return np.zeros(len(sought), np.int64), np.zeros(len(sought), np.bool_)
    at = np.minimum(np.searchsorted(ordered, sought), len(ordered) - 1)
    return at, ordered[at] == sought


def _powers(base: int, count: int) -> Hashes:
    """base^0 ... base^(count - 1) modulo 2^64."""
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _hash(word: str) -> int:
    raw = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")
