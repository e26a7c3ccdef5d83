"""Holm's correction for a family of tests, and interval levels that agree with its decisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """(m,) adjusted p-values: rejecting those of at most alpha errs anywhere with chance alpha.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6(2), 1979.

    Args:
        p_values: m raw two-sided p-values, in any order, dependent or not.
    """
    raw = np.asarray(p_values, np.float64)
    order = np.argsort(raw, kind="stable")
    factors = np.arange(len(raw), 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * factors))
    return adjusted


def holm_levels(p_values: Sequence[float], level: float = 0.95) -> NDArray[np.float64]:
    """(m,) confidence level of each test's interval: it excludes zero where Holm rejects.

    The test of rank j among m gets the level 1 - alpha / (m - j + 1), by which Holm judges it;
    those behind the first that is not rejected get that one's level (R. C. Serlin, Confidence
    intervals and the scientific method: a case for Holm on the range, Journal of Experimental
    Education 61(4), 1993).

    What this promises: no level is below `level`, so each interval covers its own difference at
    least that often; and with chance `level` no interval of a true zero excludes it. It does not
    promise that all m cover their differences at once: with all rejected, the chance that some
    interval misses is bounded by alpha (1 + 1/2 + ... + 1/m). Intervals that promise both are empty
    of news: they end at zero for what is rejected (O. Guilbaud, Simultaneous confidence regions
    corresponding to Holm's step-down procedure and other closed-testing procedures, Biometrical
    Journal 50(5), 2008; K. Strassburger and F. Bretz, Compatible simultaneous lower confidence
    bounds for the Holm procedure and other Bonferroni-based closed tests, Statistics in Medicine
    27(24), 2008). For all at once, take level 1 - alpha / m for each (Bonferroni).

    Args:
        p_values: m raw two-sided p-values.
        level: of the family, 0 to 1.
    """
    assert 0 < level < 1
    raw = np.asarray(p_values, np.float64)
    alpha = 1 - level
    order = np.argsort(raw, kind="stable")
    thresholds = alpha / np.arange(len(raw), 0, -1)
    kept = np.flatnonzero(raw[order] > thresholds)
    if kept.size:
        thresholds[kept[0] :] = thresholds[kept[0]]
    levels = np.empty_like(raw)
    levels[order] = 1 - thresholds
    return levels
