"""The forecast: this recipe's score at sizes not run yet, with a band.

What is forecast is an observed score: the mean accuracy over as many seeds as the ladder has, of
this recipe, on this test set. The band holds the seeds' noise of the ladder and of the mean that is
forecast, and the uncertainty of the curve; it does not hold the sampling of the test set, which is
the same for both.

A bootstrap draws whole seeds, so that a seed's scores at all sizes, which nest, stay together (B.
Efron and R. J. Tibshirani, An introduction to the bootstrap, 1993). Deviations from the mean are
scaled by sqrt(S / (S - 1)), since S resampled seeds scatter less than S new ones. Every family is
fitted to every replicate; the band is that of all curves, each family with its share, blurred by
what the rule adds beyond the largest size and by the noise of a mean over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.evidence.families import FAMILIES, Fits, fit
from weft.evidence.ladder import Ladder, Refusal, ladder_of
from weft.evidence.noise import Scatter, scatter
from weft.evidence.rule import FROZEN, Rule

Floats = NDArray[np.float64]

REACH = 4.0
"""No forecast goes beyond so many times the largest size."""
_REPLICATES = 400


@dataclass(frozen=True)
class Forecast:
    """Scores at sizes, shares 0 to 1."""

    sizes: tuple[int, ...]
    mean: Floats
    """(M,) the expected observed score."""
    low: Floats
    """(M,) lower end of the band."""
    high: Floats
    """(M,)"""
    level: float
    """What share of such bands holds the score, e.g. 0.9."""


@dataclass(frozen=True)
class Curve:
    """All curves that a ladder bears: B replicates of F families.

    Standard normal draws are kept with them, one a replicate, so that bands at all sizes belong
    together.
    """

    ladder: Ladder
    rule: Rule
    shares: Floats
    """(F,) of each family; sums to 1."""
    plain: tuple[Fits, ...]
    """F fits to the means, B is 1."""
    replicates: tuple[Fits, ...]
    """F fits to the bootstrap's B ladders."""
    noise: Scatter
    draws: Floats
    """(2, F, B) for what lies beyond the families, and for the seeds of the mean forecast."""

    def mean(self, sizes: Floats) -> Floats:
        """Expected scores at sizes (M,)."""
        errors = np.stack([one.errors(self._relative(sizes))[0] for one in self.plain])
        return np.clip(1 - self.shares @ errors, 0.0, 1.0)

    def band(self, sizes: Floats, level: float) -> tuple[Floats, Floats]:
        """Lower and upper ends at sizes (M,), the mean between them."""
        relative = self._relative(sizes)
        scores = 1 - np.stack([one.errors(relative) for one in self.replicates])  # (F, B, M)
        seeds = float(self.ladder.seeds.max())
        beyond, chance = self.draws[:, :, :, None]
        scores += beyond * self._beyond(sizes) + chance * self.noise.sd(sizes) / np.sqrt(seeds)
        low, high = _quantiles(scores, self.shares, level)
        mean = self.mean(sizes)
        return np.clip(np.minimum(low, mean), 0, 1), np.clip(np.maximum(high, mean), 0, 1)

    def ceiling(self, level: float) -> float:
        """Upper end of the score that no number of labels goes beyond."""
        scores = 1 - np.stack([one.floor for one in self.replicates])[:, :, None]  # (F, B, 1)
        farthest = np.array([REACH * self.ladder.largest])
        scores = scores + self.draws[0, :, :, None] * self._beyond(farthest)
        return float(np.clip(_quantiles(scores, self.shares, level)[1][0], 0, 1))

    def _relative(self, sizes: Floats) -> Floats:
        return sizes / self.ladder.sizes[0]

    def _beyond(self, sizes: Floats) -> Floats:
        """(M,) standard deviation of what lies beyond the families; none up to the largest size."""
        largest = self.ladder.largest
        doublings = np.log2(np.maximum(sizes / largest, 1.0))
        gain = self.mean(np.maximum(sizes, largest)) - self.mean(np.array([largest]))
        error = 1 - self.ladder.means[-1]
        return np.hypot(self.rule.per_gain * gain, self.rule.per_doubling * error * doublings)


def forecast(
    scores: Mapping[int, Sequence[float] | Floats],
    at: Sequence[int],
    level: float,
    rng: np.random.Generator,
    rule: Rule = FROZEN,
    reach: float = REACH,
) -> Forecast | Refusal:
    """Scores at sizes not run yet.

    Args:
        scores: accuracies by training size, one a seed, as `ladder_of` takes them.
        at: sizes asked for.
        level: of the band.
        rng: draws the bootstrap.
        reach: the largest multiple of the largest size that may be asked for; only back-tests,
            which know the outcome, ask for more.

    Returns:
        The forecast; a Refusal where the ladder bears none, or a size lies beyond reach.
    """
    ladder = ladder_of(scores)
    if isinstance(ladder, Refusal):
        return ladder
    sizes = np.array(at, dtype=np.float64)
    if (sizes > reach * ladder.largest).any():
        return Refusal(
            f"No forecast goes beyond {reach:g} times the largest size: {int(sizes.max()):,} is "
            f"{sizes.max() / ladder.largest:.3g} times {int(ladder.largest):,}."
        )
    curve = curve_of(ladder, rng, rule)
    low, high = curve.band(sizes, level)
    return Forecast(tuple(at), curve.mean(sizes), low, high, level)


def curve_of(ladder: Ladder, rng: np.random.Generator, rule: Rule = FROZEN) -> Curve:
    """Fits every family of the rule to the ladder and to its bootstrap."""
    relative = ladder.sizes / ladder.sizes[0]
    noise = scatter(ladder.sizes, ladder.scores)
    weights = 1 / (noise.sd(ladder.sizes) ** 2 / ladder.seeds + rule.lack_of_fit**2)
    means = 1 - ladder.means[None, :]  # (1, K)
    resampled = 1 - _resampled(ladder, noise, rng)  # (B, K)
    families = [FAMILIES[name] for name in rule.families]
    plain = tuple(fit(one, relative, means, weights) for one in families)
    return Curve(
        ladder,
        rule,
        _shares(rule, plain, relative, means, weights),
        plain,
        tuple(fit(one, relative, resampled, weights) for one in families),
        noise,
        rng.standard_normal((2, len(families), _REPLICATES)),
    )


def _resampled(ladder: Ladder, noise: Scatter, rng: np.random.Generator) -> Floats:
    """(B, K) means over seeds drawn with replacement; a size with one seed scatters as the rest."""
    there = np.isfinite(ladder.scores)  # (K, S)
    deviations = np.where(there, ladder.scores - ladder.means[:, None], 0.0)
    seeds = ladder.scores.shape[1]
    drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=_REPLICATES)  # (B, S)
    counted = drawn @ there.T  # (B, K)
    moved = drawn @ deviations.T / np.maximum(counted, 1)
    number = ladder.seeds
    moved *= np.sqrt(number / np.maximum(number - 1, 1))
    alone = rng.standard_normal(moved.shape) * noise.sd(ladder.sizes)
    return ladder.means + np.where(number > 1, moved, alone)


def _shares(
    rule: Rule, plain: Sequence[Fits], relative: Floats, means: Floats, weights: Floats
) -> Floats:
    if rule.shares == "equal":
        return np.full(len(plain), 1 / len(plain))
    if rule.shares == "fit":
        misfit = np.array([one.misfit[0] for one in plain])
    else:
        misses = [
            fit(one.family, relative[:-1], means[:, :-1], weights[:-1]).errors(relative[-1:])[0, 0]
            - means[0, -1]
            for one in plain
        ]
        misfit = weights[-1] * np.array(misses) ** 2
    share = np.exp(-(misfit - misfit.min()) / 2)
    return share / share.sum()


def _quantiles(scores: Floats, shares: Floats, level: float) -> tuple[Floats, Floats]:
    """Ends of the central `level` of values (F, B, M), a family's weighing its share -> (M,)."""
    families, replicates, _ = scores.shape
    flat = scores.reshape(families * replicates, -1)
    weights = np.repeat(shares / replicates, replicates)
    order = flat.argsort(axis=0)
    below = weights[order].cumsum(axis=0)
    ordered = np.take_along_axis(flat, order, axis=0)
    ends = [(below < share).sum(axis=0) for share in ((1 - level) / 2, (1 + level) / 2)]
    columns = np.arange(flat.shape[1])
    low, high = (ordered[np.minimum(end, len(flat) - 1), columns] for end in ends)
    return low, high
