"""A ladder of scores: sizes by seeds, and whether a curve may be drawn through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_SIZES, LEAST_SPAN, LEAST_SEEDS = 4, 8.0, 2


@dataclass(frozen=True)
class Refusal:
    """No forecast, and why."""

    reason: str
    """A sentence that says what is there and what would do."""


@dataclass(frozen=True)
class Ladder:
    """Scores of one recipe at ascending sizes; row s of every column is the same seed."""

    sizes: Floats
    """(K,) ascending."""
    scores: Floats
    """(K, S) shares, 0 to 1; NaN where a seed was not run at a size."""

    @property
    def means(self) -> Floats:
        """(K,) over the seeds that were run."""
        return np.nanmean(self.scores, axis=1)

    @property
    def seeds(self) -> NDArray[np.int64]:
        """(K,) how many were run."""
        return np.isfinite(self.scores).sum(axis=1)

    @property
    def largest(self) -> float:
        """The largest size."""
        return float(self.sizes[-1])


def ladder_of(scores: Mapping[int, Sequence[float] | Floats]) -> Ladder | Refusal:
    """The ladder of these scores, or why no curve may be drawn through it.

    Args:
        scores: by training size, one a seed, the same seed at the same place; a size may have fewer
            seeds than another, or NaN for one that has no score.
    """
    kept = {
        size: values
        for size, given in sorted(scores.items())
        if np.isfinite(values := np.asarray(given, dtype=np.float64)).any()
    }
    if len(kept) < LEAST_SIZES:
        return Refusal(
            f"A forecast needs {LEAST_SIZES} training sizes or more; here are {len(kept)}."
        )
    sizes = np.array(list(kept), dtype=np.float64)
    span = sizes[-1] / sizes[0]
    if span < LEAST_SPAN:
        return Refusal(
            f"A forecast needs a largest size at least {LEAST_SPAN:g} times the smallest; "
            f"{int(sizes[-1]):,} is {span:.3g} times {int(sizes[0]):,}."
        )
    most = max(len(values) for values in kept.values())
    table = np.full((len(kept), most), np.nan)
    for row, values in zip(table, kept.values(), strict=True):
        row[: len(values)] = values
    assert np.all((np.nan_to_num(table) >= 0) & (np.nan_to_num(table) <= 1)), "scores are shares"
    ladder = Ladder(sizes, table)
    several = int((ladder.seeds >= LEAST_SEEDS).sum())
    if several < LEAST_SIZES:
        return Refusal(
            f"A forecast needs {LEAST_SEEDS} seeds or more at {LEAST_SIZES} sizes, to know how far "
            f"training scatters; here {several or 'none'} of {len(kept)} sizes have so many."
        )
    return ladder
