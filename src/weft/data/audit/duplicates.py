"""Examples that repeat others, exactly or nearly, within a split and across splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.data.audit.corpus import SHOWN, SPLITS, Corpus, Row, Split, by_split
from weft.data.audit.near import near_pairs

ACROSS: tuple[tuple[Split, Split], ...] = (
    ("validation", "train"),
    ("test", "train"),
    ("test", "validation"),
)


@dataclass(frozen=True)
class Group:
    """Examples that count as one."""

    size: int
    rows: tuple[Row, ...]
    """The first few of them."""


@dataclass(frozen=True)
class Repeats:
    """Repeats of one kind.

    Near ones are counted beside the exact ones: what is exact is not near too. A group of near
    ones is joined link by link, so its ends may be less alike than its neighbours.
    """

    spare: dict[Split, int]
    """Examples that each split could lose and still hold one of every group."""
    across: dict[str, int]
    """`test in train`: test examples with one like them in train; and so on."""
    groups: int
    """Of two examples or more, over all splits; of near ones, exact copies lie in them too."""
    largest: int
    """Examples of the largest group."""
    shown: tuple[Group, ...]


@dataclass(frozen=True)
class Duplicates:
    """Exact and near repeats."""

    exact: Repeats
    near: Repeats


def find_duplicates(corpus: Corpus) -> Duplicates:
    """Compares all examples: exact by the normalised text, near as `near_pairs` says."""
    places: dict[str, int] = {}
    text_of = np.array([places.setdefault(key, len(places)) for key in corpus.keys], np.int64)
    pairs = near_pairs(list(places))
    stands = np.zeros((len(places), len(SPLITS)), np.bool_)  # whether a text stands in a split
    stands[text_of, corpus.split] = True
    beside = np.zeros_like(stands)  # whether one near to it does
    np.logical_or.at(beside, pairs[:, 0], stands[pairs[:, 1]])
    np.logical_or.at(beside, pairs[:, 1], stands[pairs[:, 0]])
    group_of = _joined(len(places), pairs)[text_of]

    exact, near = _spare(corpus, text_of), _spare(corpus, group_of)
    return Duplicates(
        exact=_repeats(corpus, text_of, exact, _across(corpus, stands[text_of])),
        near=_repeats(
            corpus,
            group_of,
            {name: near[name] - exact[name] for name in near},
            _across(corpus, beside[text_of] & ~stands[text_of]),
            differing=text_of,
        ),
    )


def _joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,) the group of each text, pairs (P, 2) being links."""
    from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    from scipy.sparse import csgraph  # pyright: ignore[reportMissingTypeStubs]

    links = cast(Any, sparse).coo_array(
        (np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count)
    )
    _, groups = cast(Any, csgraph).connected_components(links.tocsr(), directed=False)
    return np.asarray(groups, np.int64)


def _spare(corpus: Corpus, group_of: NDArray[np.int64]) -> dict[Split, int]:
    """All but the first of each group in each split."""
    key = corpus.split * (int(group_of.max(initial=0)) + 1) + group_of
    _, first = np.unique(key, return_index=True)
    spare = np.ones(len(corpus), np.bool_)
    spare[first] = False
    return by_split(corpus.split, spare)


def _across(corpus: Corpus, found: NDArray[np.bool_]) -> dict[str, int]:
    """found: (B, 3) whether one like the example stands in each split."""
    return {
        f"{here} in {there}": int(
            found[corpus.split == SPLITS.index(here), SPLITS.index(there)].sum()
        )
        for here, there in ACROSS
    }


def _repeats(
    corpus: Corpus,
    group_of: NDArray[np.int64],
    spare: dict[Split, int],
    across: dict[str, int],
    differing: NDArray[np.int64] | None = None,
) -> Repeats:
    """Counts groups and shows some, first those that reach across splits.

    Args:
        differing: (B,) of which a group needs two values to count; None: any two examples do.
    """
    kinds = np.arange(len(corpus)) if differing is None else differing
    distinct = np.unique(np.stack([group_of, kinds], axis=1), axis=0)[:, 0]
    several = np.bincount(distinct, minlength=int(group_of.max(initial=0)) + 1) > 1
    sizes = np.bincount(group_of, minlength=len(several))
    in_split = np.unique(np.stack([group_of, corpus.split], axis=1), axis=0)[:, 0]
    reach = np.bincount(in_split, minlength=len(several))
    # small groups are the plainer ones to look at
    chosen = np.lexsort((sizes, -reach, ~several))[: min(SHOWN, int(several.sum()))]
    return Repeats(
        spare=spare,
        across=across,
        groups=int(several.sum()),
        largest=int(sizes[several].max(initial=0)),
        shown=tuple(_group(corpus, np.flatnonzero(group_of == one)) for one in chosen),
    )


def _group(corpus: Corpus, places: NDArray[np.int64]) -> Group:
    # the last splits first: a test example beside its copy in train, not three copies in train
    by_late = places[np.argsort(-corpus.split[places], kind="stable")]
    first = [*by_late[:1], *places[: SHOWN - 1]] if len(places) > SHOWN else list(by_late)
    return Group(len(places), tuple(corpus.row(int(place)) for place in first))
