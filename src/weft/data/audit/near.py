"""Pairs of texts that are nearly the same: proposed by MinHash, then measured.

Two texts are near when the Jaccard index of their sets of shingles, runs of five characters of the
normalised text, is at least 0.8. MinHash (A. Broder, On the resemblance and containment of
documents, 1997) in bands (P. Indyk and R. Motwani, Approximate nearest neighbors, 1998) proposes
pairs; each is then measured on the sets themselves, so none that is reported is wrong. Of pairs
exactly at the threshold some 2 in 1,000 are not proposed, of closer ones fewer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.8
"""Jaccard index from which two texts are near."""
SHINGLE = 5
"""Characters of a shingle; a shorter text is one shingle."""
# a pair of index s is proposed with 1 - (1 - s^5)^16: 0.998 at 0.8, 0.4 at 0.5
_BANDS, _ROWS = 16, 5
_CHUNK = 4096  # texts, or pairs, worked on at once; bounds memory
_MIX = (0x9FB21C651E98DF25, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)

Ints = NDArray[np.int64]


def near_pairs(texts: Sequence[str]) -> Ints:
    """(P, 2) places of texts that are near, the smaller first.

    Args:
        texts: normalised, no two of them equal.
    """
    # datasketch has no types
    import datasketch  # pyright: ignore[reportMissingTypeStubs]

    library = cast(Any, datasketch)
    drawn = random.getstate()  # it names its storage by Python's own generator
    index = library.MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
    random.setstate(drawn)
    # shingles are hashed already; int hands them on as they are
    sketches = library.MinHash.generator(_sets(texts), num_perm=_BANDS * _ROWS, hashfunc=int)
    found = [np.zeros((0, 2), np.int64)]
    waiting: list[tuple[int, int]] = []
    for place, sketch in enumerate(sketches):
        waiting += [(other, place) for other in sorted(index.query(sketch))]
        index.insert(place, sketch, check_duplication=False)
        if len(waiting) >= _CHUNK:
            found.append(_measured(texts, waiting))
            waiting = []
    if waiting:
        found.append(_measured(texts, waiting))
    return np.concatenate(found)


def _sets(texts: Sequence[str]) -> Iterator[list[int]]:
    """The shingles of each text as numbers of 32 bits."""
    for start in range(0, len(texts), _CHUNK):
        hashes, owners = shingles(texts[start : start + _CHUNK])
        ends = np.cumsum(np.bincount(owners))
        upper = (hashes >> np.uint64(32)).tolist()
        begin = 0
        for end in ends.tolist():
            yield upper[begin:end]
            begin = end


def _measured(texts: Sequence[str], pairs: list[tuple[int, int]]) -> Ints:
    """Those of the proposed pairs that are near, by the Jaccard index of their sets."""
    from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    kept = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(pairs), _CHUNK):
        part = np.array(pairs[start : start + _CHUNK], np.int64)
        involved, local = np.unique(part, return_inverse=True)
        local = local.reshape(part.shape)
        hashes, owners = shingles([texts[place] for place in cast(list[int], involved.tolist())])
        distinct, columns = np.unique(hashes, return_inverse=True)
        ones = np.ones(len(columns), np.int64)
        shape = (len(involved), len(distinct))
        rows = cast(Any, sparse).csr_array((ones, (owners, columns)), shape=shape)
        rows.data[:] = 1  # a set: what occurs twice counts once
        sizes = np.asarray(rows.sum(axis=1)).ravel()
        shared = rows[local[:, 0]].multiply(rows[local[:, 1]]).sum(axis=1)
        both = np.asarray(shared).ravel()
        union = sizes[local[:, 0]] + sizes[local[:, 1]] - both
        kept.append(part[both >= THRESHOLD * union])
    return np.concatenate(kept)


def shingles(texts: Sequence[str]) -> tuple[NDArray[np.uint64], Ints]:
    """(S,) hashes of all runs of five characters, text by text, and (S,) the text of each."""
    padded = [text.ljust(SHINGLE, "\0") for text in texts]
    raw = "".join(padded).encode("utf-32-le", "surrogatepass")
    line = np.frombuffer(raw, np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in padded], np.int64)
    owners = np.repeat(np.arange(len(texts)), lengths - SHINGLE + 1)
    begin = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    # each text ends with 4 characters that begin none
    starts = np.arange(len(owners)) + (SHINGLE - 1) * owners
    assert len(begin) == 0 or int(starts[-1]) + SHINGLE == int(begin[-1] + lengths[-1])
    first, second, third = (np.uint64(number) for number in _MIX)
    hashes = line[starts]
    for step in range(1, SHINGLE):
        hashes = (hashes ^ (hashes >> np.uint64(29))) * first + line[starts + step]
    hashes = (hashes ^ (hashes >> np.uint64(33))) * second
    hashes = (hashes ^ (hashes >> np.uint64(29))) * third
    return hashes ^ (hashes >> np.uint64(32)), owners
