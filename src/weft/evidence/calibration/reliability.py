"""Whether 90 % sure is right in 90 % of cases: bins of equal counts, and the calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from weft.evidence.proportion import wilson

BINS = 15
"""Of a reliability diagram and of the calibration error; fewer where there are fewer examples."""


@dataclass(frozen=True)
class Reliability:
    """The points of a reliability diagram, (K,) each, from the least sure bin to the surest."""

    confidence: NDArray[np.float64]  # mean probability of the answer
    accuracy: NDArray[np.float64]  # share of right answers
    low: NDArray[np.float64]  # of the accuracy's 95 % interval (Wilson)
    high: NDArray[np.float64]
    counts: NDArray[np.int64]  # examples
    chance: NDArray[np.float64]  # standard error of the accuracy, if the confidences are true


@dataclass(frozen=True)
class CalibrationError:
    """How far confidence and accuracy lie apart, over bins of equal counts."""

    bins: int
    ece: float
    """Mean distance over the bins, weighed by counts. Biased upwards: chance alone parts them."""
    floor: float
    """What `ece` would be, on average, of a model whose confidences are all true."""


def reliability(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], bins: int = BINS
) -> Reliability:
    """Sorts the answers by their probability and cuts them into bins of equal counts.

    An answer is the most probable class, and its confidence that class's probability.

    Args:
        probabilities: (B, C) of each class, at least one row.
        labels: (B,) true classes.
        bins: how many, K.
    """
    assert len(labels) > 0, "a bin needs an example"
    confidence = probabilities.max(axis=1)  # (B,)
    right = probabilities.argmax(axis=1) == labels  # (B,)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(labels)))
    counts = np.array([len(part) for part in parts], dtype=np.int64)
    hits = np.array([right[part].sum() for part in parts], dtype=np.int64)
    low, high = wilson(hits, counts)
    sure = [confidence[part] for part in parts]
    return Reliability(
        confidence=np.array([own.mean() for own in sure]),
        accuracy=hits / counts,
        low=low,
        high=high,
        counts=counts,
        chance=np.array([np.sqrt((own * (1 - own)).sum()) / len(own) for own in sure]),
    )


def calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], bins: int = BINS
) -> CalibrationError:
    """Expected calibration error of the answers, and its floor.

    `floor`: in each bin of a model whose confidences are true, accuracy scatters about confidence
    with standard error s, so their mean distance is s * sqrt(2 / pi).

    Args:
        probabilities: (B, C) of each class, at least one row.
        labels: (B,) true classes.
        bins: how many.
    """
    found = reliability(probabilities, labels, bins)
    weights = found.counts / found.counts.sum()
    apart = found.accuracy - found.confidence
    return CalibrationError(
        bins=len(found.counts),
        ece=float((weights * np.abs(apart)).sum()),
        floor=float((weights * found.chance).sum()) * (2 / pi) ** 0.5,
    )
