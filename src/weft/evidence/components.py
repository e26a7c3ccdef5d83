"""How much of a mean's variance is the seeds' and how much the examples': two crossed factors.

Every seed meets the same test examples, so a table of values x[s, i] has S rows and n columns and
no replicates. In x[s, i] = mean + seed[s] + example[i] + rest[s, i], with all parts random, the
mean over the table has the variance

    var(seed) / S + var(example) / n + var(rest) / (S n),

whose unbiased estimate is (MS_seed + MS_example - MS_rest) / (S n) by the mean squares of the
two-way analysis of variance (H. Scheffe, The Analysis of Variance, 1959, chapter 7). It is kept in
two parts, each never negative: the seeds' part MS_seed / (S n), which is the variance of the
seeds' means over S, and the examples' part (MS_example - MS_rest) / (S n), cut at zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GUARD_OF_SCORES = 1

GUARD_OF_DIFFERENCES = 2
"""Pairing takes out what examples share, so more of a difference's variance is the seeds'."""


@dataclass(frozen=True)
class Components:
    """A table's mean and the variance of that mean, in its two parts."""

    seeds: int  # S
    examples: int  # n
    mean: float
    seed_part: float
    example_part: float

    @property
    def variance(self) -> float:
        """Of the mean, over new seeds and new examples."""
        return self.seed_part + self.example_part


def components(values: NDArray[np.float64]) -> Components:
    """Splits the variance of the mean of a table.

    Args:
        values: (S, n), at least 2 by 2, one row a seed, one column an example.
    """
    assert values.ndim == 2
    seeds, examples = values.shape
    assert min(seeds, examples) >= 2, "two crossed factors need two levels each"
    mean = float(values.mean())
    by_seed = values.mean(axis=1) - mean  # (S,)
    by_example = values.mean(axis=0) - mean  # (n,)
    rest = values - mean - by_seed[:, None] - by_example  # (S, n)
    ms_seed = examples * float(by_seed @ by_seed) / (seeds - 1)
    ms_example = seeds * float(by_example @ by_example) / (examples - 1)
    ms_rest = float((rest * rest).sum()) / ((seeds - 1) * (examples - 1))
    return Components(
        seeds,
        examples,
        mean,
        seed_part=ms_seed / (seeds * examples),
        example_part=max(0.0, ms_example - ms_rest) / (seeds * examples),
    )


def degrees_of_freedom(
    seeds: int, share: float, examples: int, alpha: float = 0.05, guard: int = GUARD_OF_SCORES
) -> float:
    """Satterthwaite's degrees of freedom of a variance, guarded where there are few seeds.

    With the share q of the variance that is the seeds', Satterthwaite's rule is (S - 1) / q**2; the
    examples' part has n - 1 degrees of freedom or more and adds nothing that can be seen
    (F. E. Satterthwaite, An approximate distribution of estimates of variance components,
    Biometrics Bulletin 2(6), 1946). It takes q as known. From three seeds q comes with two degrees
    of freedom, and where it comes out small by chance the interval is too narrow twice over: 95 %
    intervals then cover 92 %, and in the tails, where Holm's steps look, it is worse. So q enters
    with the power 2 - g / (S - 1), and for an alpha below 0.05 with this times
    log 0.05 / log alpha. With many seeds that is Satterthwaite's rule at 95 %. The guards g are
    chosen by simulation (`docs/methods.md`).

    Args:
        seeds: S, at least 3.
        share: of the seeds in the variance, 0 to 1.
        examples: n; the result is never above n - 1.
        alpha: both tails of the quantile that is wanted, 0 to 1; the result falls with it.
        guard: g, `GUARD_OF_SCORES` or `GUARD_OF_DIFFERENCES`.
    """
    assert seeds >= 3, "two seeds measure no spread"
    assert 0 <= share <= 1
    assert 0 < alpha < 1
    most = float(examples - 1)
    power = (2 - guard / (seeds - 1)) * min(1.0, math.log(0.05) / math.log(alpha))
    # In logarithms, since a small share to a power may be no number any more.
    log_df = math.log(seeds - 1) - power * math.log(share) if share > 0 else math.inf
    return math.exp(log_df) if log_df < math.log(most) else most
