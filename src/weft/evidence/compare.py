"""The stated family of comparisons in a study, each with its interval and p-value.

A family is fixed by the grid, not by what came out: adjacent sizes within each method, and each
method against the reference, LoRA, at equal size. Holm's correction runs over all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from weft.evidence.difference import Difference, paired_difference
from weft.evidence.equivalence import MARGIN, Equivalence, equivalence
from weft.evidence.holm import holm, holm_levels

Place = tuple[str, int]
"""Where a cell stands in the grid: its method and its training size in examples."""


@dataclass(frozen=True, eq=False)
class Cell:
    """A method at a size: which answers of its seeds are right."""

    seeds: tuple[int, ...]  # S, no two alike
    correct: NDArray[np.float64]  # (S, n) 1 where right, else 0; columns alike in all cells

    def __post_init__(self) -> None:
        assert self.correct.ndim == 2
        assert len(set(self.seeds)) == len(self.seeds) == len(self.correct)


@dataclass(frozen=True)
class Comparison:
    """One comparison of the family: accuracy of the first minus that of the second."""

    first: Place  # the larger size, or the reference method
    second: Place
    seeds: tuple[int, ...]  # shared; what others have is left out
    difference: Difference
    level: float  # of the family
    low: float  # of the interval at `level`, for this comparison alone
    high: float
    p: float
    adjusted_level: float  # of the next, see `holm_levels`
    adjusted_low: float
    adjusted_high: float
    adjusted_p: float  # Holm's

    @property
    def told_apart(self) -> bool:
        """Whether the adjusted interval excludes zero, which is Holm's verdict."""
        return not self.adjusted_low <= 0 <= self.adjusted_high


@dataclass(frozen=True)
class Family:
    """All comparisons of a study, corrected together."""

    comparisons: tuple[Comparison, ...]
    not_offered: tuple[tuple[Place, Place], ...]
    """Pairs of the family that share no seed, so that nothing is paired; not counted by Holm."""
    level: float


def compare(cells: Mapping[Place, Cell], reference: str = "lora", level: float = 0.95) -> Family:
    """Compares the cells of a study, by the family above.

    Args:
        cells: by method and size, all on the same n test examples.
        reference: the method that others are compared with.
        level: of the family: 0.95 holds the chance of any false difference to 5 %.
    """
    return compare_pairs(cells, pairs(cells, reference), level)


def compare_pairs(
    cells: Mapping[Place, Cell], wanted: Iterable[tuple[Place, Place]], level: float = 0.95
) -> Family:
    """Compares the cells that are asked for, as one family.

    Args:
        cells: by method and size, all on the same n test examples.
        wanted: pairs of cells, fixed before anything came out.
        level: of the family.
    """
    assert len({cell.correct.shape[1] for cell in cells.values()}) <= 1, "one test set for all"
    paired: list[tuple[Place, Place, tuple[int, ...], Difference]] = []
    lost: list[tuple[Place, Place]] = []
    for first, second in wanted:
        seeds, rows, others = _shared(cells[first], cells[second])
        if seeds:
            paired.append((first, second, seeds, paired_difference(rows, others)))
        else:
            lost.append((first, second))
    raw = [difference.p for *_, difference in paired]
    rows = zip(paired, raw, holm(raw), holm_levels(raw, level), strict=True)
    comparisons = tuple(
        Comparison(
            first,
            second,
            seeds,
            difference,
            level,
            *difference.interval(level),
            p,
            float(own),
            *difference.interval(float(own)),
            float(adjusted),
        )
        for (first, second, seeds, difference), p, adjusted, own in rows
    )
    return Family(comparisons, tuple(lost), level)


def pairs(places: Mapping[Place, object], reference: str = "lora") -> Iterator[tuple[Place, Place]]:
    """The family's pairs: larger size before smaller, the reference before another method.

    Args:
        places: the grid, by method and size.
        reference: the method that others are compared with.
    """
    methods = list(dict.fromkeys(method for method, _ in places))
    for method in methods:
        sizes = sorted(size for name, size in places if name == method)
        yield from (((method, large), (method, small)) for small, large in pairwise(sizes))
    for method in methods:
        sizes = sorted(size for name, size in places if name == method)
        if method != reference:
            yield from (
                ((reference, size), (method, size)) for size in sizes if (reference, size) in places
            )


def equivalences(
    cells: Mapping[Place, Cell],
    first: str = "lora",
    second: str = "full",
    margin: float = MARGIN,
    level: float = 0.95,
) -> dict[int, Equivalence]:
    """Tests at each size that both methods have, and share seeds at, whether they are equal.

    Each size is a claim of its own; no correction runs over them.

    Args:
        cells: by method and size.
        first: a method.
        second: the method that it is said to equal.
        margin: of accuracy, declared beforehand.
        level: of each one-sided test.
    """
    found: dict[int, Equivalence] = {}
    for size in sorted(size for method, size in cells if method == first):
        if (second, size) in cells:
            seeds, rows, others = _shared(cells[first, size], cells[second, size])
            if seeds:
                found[size] = equivalence(rows, others, margin, level)
    return found


def _shared(
    first: Cell, second: Cell
) -> tuple[tuple[int, ...], NDArray[np.float64], NDArray[np.float64]]:
    """The seeds that both cells have, and the rows of each in that order."""
    seeds = tuple(sorted(set(first.seeds) & set(second.seeds)))
    ours, theirs = (
        cell.correct[[cell.seeds.index(seed) for seed in seeds]] for cell in (first, second)
    )
    return seeds, ours, theirs
