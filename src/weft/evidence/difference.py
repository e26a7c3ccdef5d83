"""Difference in accuracy of two recipes on the same test examples: one procedure, interval and p.

The estimand is the expected accuracy of the first minus that of the second, each with a new seed,
on a new test example. Rows are paired by seed and columns by example, so what both recipes find
hard cancels; the differences are a crossed table like any other (`components`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize as _optimize  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
from scipy import special as _special  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

from weft.evidence.components import GUARD_OF_DIFFERENCES, components, degrees_of_freedom
from weft.evidence.interval import CROSSED, EXAMPLES_ONLY, FEWEST_SEEDS

_roots, _functions = cast(Any, _optimize), cast(Any, _special)

_LEAST = 1e-300
"""No p-value is given as less than this."""


@dataclass(frozen=True)
class Difference:
    """A mean difference, first minus second, with all that its tests need."""

    estimate: float  # of accuracy, -1 to 1
    standard_error: float  # 0 where all examples differ alike, which has rules of its own
    share: float  # of the seeds in its square, 0 to 1; 0 where their noise is not measured
    seeds: int  # shared
    examples: int  # n
    noise: str  # what intervals and p-values cover

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The t interval at a level, within -1 to 1; it excludes 0 where `p` < 1 - level.

        Where every example shows the same difference c there is no spread to go by. Then, as in the
        rule of three, at most a share q = 1 - (alpha / 2) ** (1 / n) of the population differs
        otherwise, by as much as can be: from c - q (c + 1) to c + q (1 - c).
        """
        assert 0 < level < 1
        if self.standard_error == 0:
            unseen = 1 - ((1 - level) / 2) ** (1 / self.examples)
            low = self.estimate - unseen * (self.estimate + 1)
            return low, self.estimate + unseen * (1 - self.estimate)
        half = self.quantile(level) * self.standard_error
        return max(-1.0, self.estimate - half), min(1.0, self.estimate + half)

    def df(self, alpha: float = 0.05) -> float:
        """Degrees of freedom of the t quantile with alpha in both tails together."""
        if self.seeds < FEWEST_SEEDS:
            return float(self.examples - 1)
        return degrees_of_freedom(
            self.seeds, self.share, self.examples, alpha, GUARD_OF_DIFFERENCES
        )

    def quantile(self, level: float) -> float:
        """Half-width of the interval at a level, in standard errors."""
        return float(_functions.stdtrit(self.df(1 - level), (1 + level) / 2))

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def p_above(self, bound: float) -> float:
        """One-sided p-value of the hypothesis that the difference is `bound` or less."""
        if self.standard_error == 0:
            return _unseen(self.estimate, bound, self.examples)
        return self._beyond((self.estimate - bound) / self.standard_error)

    def p_below(self, bound: float) -> float:
        """One-sided p-value of the hypothesis that the difference is `bound` or more."""
        if self.standard_error == 0:
            return _unseen(-self.estimate, -bound, self.examples)
        return self._beyond((bound - self.estimate) / self.standard_error)

    def _beyond(self, t: float) -> float:
        """The share of the null distribution above t.

        The degrees of freedom fall with alpha, so the p-value is the alpha whose quantile is t.
        """
        if t < 0:
            return 1 - self._beyond(-t)

        def both(alpha: float) -> float:
            return max(_LEAST, 2 * float(_functions.stdtr(self.df(alpha), -t)))

        def excess(log_alpha: float) -> float:
            return math.log(both(math.exp(log_alpha))) - log_alpha

        if both(0.05) >= 0.05 or both(_LEAST) == _LEAST:
            return both(0.05) / 2
        root = _roots.brentq(excess, math.log(_LEAST), math.log(0.05), xtol=1e-13)
        return math.exp(float(root)) / 2


def paired_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Difference:
    """The difference in accuracy of two recipes that share seeds and test examples.

    With three shared seeds or more the variance is that of a crossed table; with fewer, that of the
    examples' mean differences, and the noise says so. Seeds' means move in steps of 1 / n, so their
    variance is never taken to be below that of one step, 1 / (S n**2), unless all differences are
    alike.

    Args:
        first: (S, n) 1 where seed s of the first recipe is right about example i, else 0; n at
            least 2.
        second: (S, n) the same of the second, rows and columns in the same order.
    """
    assert first.shape == second.shape
    assert first.ndim == 2
    seeds, examples = first.shape
    assert seeds >= 1
    assert examples >= 2, "a difference needs two examples"
    apart = first - second  # (S, n)
    assert (np.abs(apart) <= 1).all(), "accuracies differ by one at most"
    measured = seeds >= FEWEST_SEEDS
    noise = CROSSED if measured else EXAMPLES_ONLY
    if apart.min() == apart.max():
        return Difference(float(apart.flat[0]), 0.0, 0.0, seeds, examples, noise)
    step = 1 / (seeds * examples**2)
    if measured:
        parts = components(apart)
        variance = max(parts.variance, step)
        share = parts.seed_part / variance
    else:
        variance = max(float(apart.mean(axis=0).var(ddof=1)) / examples, step)
        share = 0.0
    return Difference(float(apart.mean()), math.sqrt(variance), share, seeds, examples, noise)


def _unseen(estimate: float, bound: float, examples: int) -> float:
    """P-value of "at most `bound`" where all n examples show the same, larger difference.

    With a mean of at most `bound` and no value below -1, at most a share (bound + 1) / (c + 1) of
    the population can show c: the chance that n of n do is that to the n.
    """
    if estimate <= bound:
        return 1.0
    return max(0.0, (bound + 1) / (estimate + 1)) ** examples
