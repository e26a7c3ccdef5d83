"""Intervals of F1 by a crossed bootstrap: test examples and seeds are drawn anew.

F1 is no mean over examples, so its variance comes from resampling. Drawn naively, S seeds out of S
show (S - 1) / S of the seeds' variance, and the noise that belongs to single answers is counted
three times (P. McCullagh, Resampling and exchangeable arrays, Bernoulli 6(2), 2000; A. B. Owen, The
pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007). Both are put right here. Given a
draw of examples, the variance that drawing seeds adds has a closed form, so only examples are
drawn, the same for all seeds, and the parts of `components` are read off the draws:

    seeds' part      the variance of the S scores over S, with S - 1 in its divisor;
    examples' part   the mean covariance, over draws, of two different seeds' scores, cut at zero.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from weft.evidence.components import degrees_of_freedom
from weft.evidence.interval import FEWEST_SEEDS, Interval, not_offered
from weft.evidence.intervals import t_quantile, words

FEWEST_A_CLASS = 40
"""Test examples a class, on average, below which macro F1 over three classes or more gets no
interval: of few examples it is too low itself (`benchmarks/macro_f1.py`)."""

_AT_ONCE = 2**22
"""Weights held in memory at a time: 32 MiB."""


def f1_intervals(
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    positive: int | None,
    generator: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    fewest: int = FEWEST_A_CLASS,
) -> tuple[Interval, tuple[Interval, ...]]:
    """A recipe's F1, the mean over seeds, and that of each of its S adapters, from the same draws.

    Each is a t interval of the logit, on whose scale the bounds stay within 0 and 1. Below three
    seeds the recipe's covers the examples' noise alone, as an adapter's always does. Where the
    variance comes out as zero (no mistake, or nothing right), no interval is offered: the bootstrap
    cannot see what did not occur. Nor is one where classes are so many that each has few examples.

    Args:
        predicted: (S, n) the class that each seed gives each example, 0 to C - 1; n at least 2.
        labels: (n,) true classes.
        classes: C.
        positive: the positive class where C is 2; None: the macro average, as in `metrics.score`.
        generator: draws the resamples.
        level: nominal, 0 to 1.
        resamples: how many draws of the test examples.
        fewest: examples a class that macro F1 over three classes or more needs.
    """
    assert predicted.ndim == 2
    assert predicted.shape[1:] == labels.shape
    assert 0 < level < 1
    assert resamples >= 2
    assert len(labels) >= 2, "an interval needs two examples"
    by_seed = weighted_f1(predicted, labels, classes, positive, np.ones((1, len(labels))))[0]
    if classes > 2 and len(labels) < fewest * classes:
        each = (by_seed[[seed]] for seed in range(len(predicted)))
        return _too_few(by_seed, level, fewest), tuple(_too_few(f1, level, fewest) for f1 in each)
    drawn = _resampled(predicted, labels, classes, positive, generator, resamples)  # (W, S)
    alone = tuple(
        _of_draws(by_seed[[seed]], drawn[:, [seed]], len(labels), level, True)
        for seed in range(len(predicted))
    )
    return _of_draws(by_seed, drawn, len(labels), level, False), alone


def weighted_f1(
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    positive: int | None,
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(W, S) F1 of each seed under each weighting of the examples.

    Args:
        predicted: (S, n) classes given.
        labels: (n,) true classes.
        classes: C.
        positive: the positive class where C is 2; None: the macro average over the classes that
            have weight among labels or predictions.
        weights: (W, n) how often each example counts.
    """
    kinds = range(classes) if positive is None or classes != 2 else [positive]
    total = np.zeros((len(weights), len(predicted)))
    present = np.zeros_like(total)
    for kind in kinds:
        given, true = predicted == kind, labels == kind
        met = np.flatnonzero(true | given.any(axis=0))  # of many classes, few examples
        own, given, true = weights[:, met], given[:, met], true[met]
        hits = own @ (given & true).T.astype(np.float64)  # (W, S)
        either = own @ given.T.astype(np.float64) + (own @ true)[:, None]  # (W, S)
        total += np.divide(2 * hits, either, out=np.zeros_like(hits), where=either > 0)
        present += either > 0
    return np.divide(total, present, out=np.zeros_like(total), where=present > 0)


def _too_few(by_seed: NDArray[np.float64], level: float, fewest: int) -> Interval:
    """What S scores (S,) get where classes have few examples each."""
    estimand, _ = words("F1", len(by_seed), len(by_seed) == 1)
    why = f"macro F1 with fewer than {fewest} test examples a class"
    return not_offered(float(by_seed.mean()), level, estimand, why)


def _of_draws(
    by_seed: NDArray[np.float64],
    drawn: NDArray[np.float64],
    examples: int,
    level: float,
    adapter: bool,
) -> Interval:
    """The interval of S scores (S,) and of their draws (W, S)."""
    seeds = len(by_seed)
    estimand, noise = words("F1", seeds, adapter)
    of_mean = float(drawn.mean(axis=1).var(ddof=1))
    if seeds < FEWEST_SEEDS:
        seed_part, variance = 0.0, of_mean
    else:
        alone = float(drawn.var(axis=0, ddof=1).mean())
        covariance = (seeds * of_mean - alone) / (seeds - 1)
        seed_part = float(by_seed.var(ddof=1)) / seeds
        variance = seed_part + max(0.0, covariance)
    mean = float(by_seed.mean())
    # The sum of equal scores may differ from them in its last bit, so not `== 0`.
    if variance < 1e-20 or not 0 < mean < 1:
        return not_offered(mean, level, estimand, "F1 did not vary over the resampled test sets")
    df = float(examples - 1)
    if seeds >= FEWEST_SEEDS:
        df = degrees_of_freedom(seeds, seed_part / variance, examples, 1 - level)
    error = math.sqrt(variance)
    centre, width = math.log(mean / (1 - mean)), t_quantile(level, df) * error / (mean * (1 - mean))
    low, high = ((1 + math.tanh(bound / 2)) / 2 for bound in (centre - width, centre + width))
    return Interval(mean, low, high, level, estimand, noise, error, df)


def _resampled(
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    positive: int | None,
    generator: np.random.Generator,
    resamples: int,
) -> NDArray[np.float64]:
    """(W, S) F1 of each seed on test sets of n examples drawn with replacement."""
    examples = len(labels)
    parts: list[NDArray[np.float64]] = []
    step = max(1, _AT_ONCE // examples)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        places = generator.integers(0, examples, (rows, examples))
        places += examples * np.arange(rows)[:, None]
        counts = np.bincount(places.ravel(), minlength=rows * examples)
        weights = counts.reshape(rows, examples).astype(np.float64)
        parts.append(weighted_f1(predicted, labels, classes, positive, weights))
    return np.concatenate(parts)
