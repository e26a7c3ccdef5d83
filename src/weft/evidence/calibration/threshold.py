"""The lowest threshold whose answers are right often enough, proved on validation.

Many thresholds are looked at, so each one's own lower bound would promise too much. They are tested
in a fixed sequence instead, from few answers to many, and a sequence ends at its first failure, so
one level covers all of it (A. N. Angelopoulos, S. Bates, E. J. Candes, M. I. Jordan and L. Lei,
Learn then test: calibrating predictive algorithms to achieve risk control, 2021). One mistake
among the surest answers would end a sequence that begins there, so there are three, beginning at
the fewest answers that can prove anything, at twice and at four times as many; each has a third of
the risk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from weft.evidence.proportion import at_most, lower_bound

WANTED = 0.95
"""The precision for which a threshold is sought where nobody names one."""

_STARTS = (1, 2, 4)
_STEP = 1.05  # from one threshold of a sequence to the next: this many times the answers


@dataclass(frozen=True)
class Threshold:
    """Give an answer where its score is `value` or more: it is right as often as wanted.

    Counts are those of the examples on which it was found.
    """

    wanted: float  # precision
    level: float  # of the promise: that chance did not make it
    examples: int
    value: float | None  # None: not reachable
    answered: int  # examples at or above it
    right: int  # of those
    recall: float  # share of all that could be right; 0 where none is answered
    bound: float | None
    """Lower confidence bound of the precision, corrected for all thresholds looked at."""
    reason: str | None  # why it is not reachable

    @property
    def coverage(self) -> float:
        """Share of the examples that get an answer."""
        return self.answered / self.examples if self.examples else 0.0


def reached(
    probabilities: NDArray[np.float64], positive: int | None, value: float
) -> NDArray[np.bool_]:
    """(B,) which answers a threshold lets pass: none but those of the positive class, if any is."""
    return _said(probabilities, positive) & (probabilities.max(axis=1) >= value)


def found(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    positive: int | None,
    wanted: float = WANTED,
    level: float = 0.95,
) -> Threshold:
    """Threshold for a precision of one class, or of the most probable class, whichever it is.

    Args:
        probabilities: (B, C) of each class.
        labels: (B,) true classes.
        positive: the class whose precision is wanted; None: the share of right answers is.
        wanted: precision, between 0 and 1.
        level: of the promise.
    """
    said = _said(probabilities, positive)
    right = labels == probabilities.argmax(axis=1)
    among = for_precision(probabilities.max(axis=1)[said], right[said], wanted, level)
    could = int(right.sum() if positive is None else (labels == positive).sum())
    return replace(among, examples=len(labels), recall=among.right / could if among.right else 0.0)


def _said(probabilities: NDArray[np.float64], positive: int | None) -> NDArray[np.bool_]:
    """(B,) which answers are of the positive class; all, where there is none."""
    if positive is None:
        return np.ones(len(probabilities), dtype=np.bool_)
    return probabilities.argmax(axis=1) == positive


def for_precision(
    scores: NDArray[np.float64],
    right: NDArray[np.bool_],
    wanted: float = WANTED,
    level: float = 0.95,
) -> Threshold:
    """The lowest score above which `right` is true as often as wanted, or why there is none.

    The promise: in at least `level` of all data sets drawn like these examples, the precision of
    what lies above the value is at least `wanted` (or no value is given). It holds where precision
    does not rise as the threshold falls.

    Args:
        scores: (B,) by which answers are given or withheld.
        right: (B,) whether the answer is right.
        wanted: precision, between 0 and 1.
        level: of the promise, between 0 and 1.
    """
    assert 0 < wanted < 1
    assert 0 < level < 1
    count = len(scores)

    def none(reason: str) -> Threshold:
        return Threshold(wanted, level, count, None, 0, 0, 0.0, None, reason)

    if not np.isfinite(scores).all():
        return none("some probabilities are not numbers")
    risk = (1 - level) / len(_STARTS)
    least = ceil(log(risk) / log(wanted))  # all of so many right: just enough
    if count < least:
        return none(f"{count:,} examples cannot prove it, even if all were right: {least:,} could")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(right[order], dtype=np.int64)
    lowest = max(_passed(ranked, hits, start * least, wanted, risk) for start in _STARTS)
    if lowest == 0:
        return none("the surest answers are not right often enough, or too few to prove it")
    total = int(right.sum())
    found = int(hits[lowest - 1])
    return Threshold(
        wanted=wanted,
        level=level,
        examples=count,
        value=float(ranked[lowest - 1]),
        answered=lowest,
        right=found,
        recall=found / total if total else 0.0,
        bound=lower_bound(found, lowest, 1 - risk),
        reason=None,
    )


def _passed(
    ranked: NDArray[np.float64], hits: NDArray[np.int64], start: int, wanted: float, risk: float
) -> int:
    """The most answers that a sequence from `start` answers on can prove; 0 where it ends at once.

    Args:
        ranked: (B,) scores, falling.
        hits: (B,) right ones among the first.
    """
    count = len(ranked)
    if start > count:
        return 0
    steps = ceil(log(count / start) / log(_STEP))
    wished = np.minimum(np.ceil(start * _STEP ** np.arange(steps + 1)), count).astype(np.int64)
    # equal scores are answered together, or not at all
    answered = np.unique(np.searchsorted(-ranked, -ranked[wished - 1], side="right"))
    passes = at_most(wanted, hits[answered - 1], answered) <= risk
    failed = np.flatnonzero(~passes)
    first = int(failed[0]) if len(failed) else len(answered)
    return int(answered[first - 1]) if first else 0
