"""What an interval says: its bounds, what they are bounds of, and which noise they cover."""

from __future__ import annotations

from dataclasses import dataclass

CROSSED = "seeds and test examples"
"""Covers both draws: other seeds and other test examples would give another score."""

EXAMPLES_ONLY = "test examples only: training noise not measured"
"""Fewer than three seeds: how far another training run would land is not known."""

ONE_ADAPTER = "test examples only: this adapter as it is"
"""One saved adapter: there is no training noise in what is asked."""

FEWEST_SEEDS = 3
"""Below this number of seeds their spread is not taken for a measurement."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval; both bounds are None where none is offered."""

    estimate: float
    low: float | None
    high: float | None
    level: float  # nominal, 0 to 1
    estimand: str  # what the interval is for, in words
    noise: str  # what the interval covers, or why there is none
    standard_error: float | None
    df: float | None  # of the t quantile; None: the normal's, or no quantile at all

    def __post_init__(self) -> None:
        assert (self.low is None) == (self.high is None), "an interval has two bounds or none"

    @property
    def offered(self) -> bool:
        """Whether there is an interval at all."""
        return self.low is not None


def not_offered(estimate: float, level: float, estimand: str, reason: str) -> Interval:
    """An estimate without an interval, and why; the reason stands where the noise would."""
    return Interval(estimate, None, None, level, estimand, f"no interval: {reason}", None, None)
