"""The study's question answered by the curve: what more labels would buy, and how many are needed.

Sizes are training examples; what a user has to pay for are labels, so counts in the answer are
total labels: training and validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weft.evidence.forecast import REACH, Curve, Forecast, curve_of
from weft.evidence.ladder import Refusal, ladder_of

Floats = NDArray[np.float64]

_STEPS = 400  # sizes looked at from the smallest to the end of reach, about 2 % apart


@dataclass(frozen=True)
class Needed:
    """The target is met within reach, and the band says so too. Total labels."""

    labels: int
    low: int
    high: int
    at_most: bool
    """Whether even the ladder's smallest size meets it, so that fewer may do."""


@dataclass(frozen=True)
class OutOfReach:
    """No number of labels meets the target with this recipe."""

    ceiling: float
    """Upper end of the score that the curve tends to, a share; below the target."""


@dataclass(frozen=True)
class Undecided:
    """The curve does not say."""

    why: Literal["band", "short", "beyond"]
    """band: the forecast meets the target within reach, its band does not; short: the forecast
    stays below it, its band does not; beyond: neither meets it within reach, more might."""
    labels: int | None
    """Total labels at which the forecast meets it, for `band`."""


Outcome = Needed | OutOfReach | Undecided


@dataclass(frozen=True)
class Answer:
    """What the curve says."""

    largest: int
    """Training examples of the largest size that was run."""
    observed: float
    """Mean score there, a share."""
    validation: int
    """Labels that select, besides those trained on."""
    forecast: Forecast
    """At 2 and 4 times the largest."""
    target: float | None
    outcome: Outcome | None
    """Of the target, where there is one."""


def answer(
    scores: Mapping[int, Sequence[float] | Floats],
    validation: int,
    rng: np.random.Generator,
    target: float | None = None,
    level: float = 0.9,
) -> Answer | Refusal:
    """What more labels would buy, and whether they would meet a target.

    Args:
        scores: accuracies by training size, as `ladder_of` takes them.
        validation: labelled examples that select.
        rng: draws the bootstrap.
        target: the score wanted, a share.
        level: of the bands.
    """
    ladder = ladder_of(scores)
    if isinstance(ladder, Refusal):
        return ladder
    curve = curve_of(ladder, rng)
    at = np.array([2.0, REACH]) * ladder.largest
    low, high = curve.band(at, level)
    return Answer(
        int(ladder.largest),
        float(ladder.means[-1]),
        validation,
        Forecast(tuple(int(size) for size in at), curve.mean(at), low, high, level),
        target,
        None if target is None else _outcome(curve, validation, target, level),
    )


def _outcome(curve: Curve, validation: int, target: float, level: float) -> Outcome:
    first, last = float(curve.ladder.sizes[0]), REACH * curve.ladder.largest
    sizes: Floats = first * (last / first) ** np.linspace(0.0, 1.0, _STEPS)
    low, high = curve.band(sizes, level)
    central, early, late = (
        _first(sizes, scores, target) for scores in (curve.mean(sizes), high, low)
    )
    if central is not None and late is not None and early is not None:
        smallest = int(sizes[0])
        return Needed(
            central + validation, early + validation, late + validation, central <= smallest
        )
    ceiling = curve.ceiling(level)
    if central is None and ceiling < target:
        return OutOfReach(ceiling)
    if central is not None:
        return Undecided("band", central + validation)
    return Undecided("short" if early is not None else "beyond", None)


def _first(sizes: Floats, scores: Floats, target: float) -> int | None:
    """The smallest size, a whole number, whose score is the target or more."""
    met = np.flatnonzero(scores >= target)
    return int(np.ceil(sizes[met[0]] - 1e-9)) if len(met) else None


def sentences(said: Answer | Refusal) -> tuple[str, ...]:
    """The answer in words, a sentence or two each: the forecast, the gain, the target."""
    if isinstance(said, Refusal):
        return (f"No forecast. {said.reason}",)
    lines = [
        f"With {size:,} training examples ({size + said.validation:,} labels with validation) this "
        f"recipe would score about {_percent(mean)} ({_range(low, high)})."
        for size, mean, low, high in _points(said.forecast)
    ]
    now = said.largest + said.validation
    gains = [
        f"{size + said.validation:,} would buy {_gain(mean - said.observed)} points "
        f"({_gain(low - said.observed)} to {_gain(high - said.observed)})"
        for size, mean, low, high in _points(said.forecast)
    ]
    lines.append(
        f"Against the {_percent(said.observed)} observed with {now:,} labels in all, "
        f"{' and '.join(gains)}."
    )
    if said.target is not None and said.outcome is not None:
        lines.append(_of_target(said, said.target, said.outcome))
    return tuple(lines)


def _of_target(said: Answer, target: float, outcome: Outcome) -> str:
    wanted, end = _percent(target), int(REACH * said.largest) + said.validation
    match outcome:
        case Needed(labels, low, high, at_most):
            least = "at most " if at_most else "about "
            between = "" if low == high else f" ({rounded(low, down=True)} to {rounded(high)})"
            return (
                f"{wanted} needs {least}{rounded(labels)} labels in all, validation "
                f"included{between}."
            )
        case OutOfReach(ceiling):
            return (
                f"{wanted} is out of reach of this recipe: its curve flattens out, at "
                f"{_percent(ceiling)} at best, however many labels there are."
            )
        case Undecided("band", labels):
            return (
                f"Whether {wanted} can be had is undecided: the forecast meets it near "
                f"{rounded(labels or 0)} labels, but its band still holds less at {end:,}, "
                "beyond which nothing is forecast."
            )
        case Undecided("short"):
            return (
                f"Whether {wanted} can be had is undecided: up to {end:,} labels the forecast "
                "stays below it, though its band does not; beyond that nothing is forecast."
            )
        case _:
            return (
                f"Whether {wanted} can be had is undecided: not with {end:,} labels, and beyond "
                "that nothing is forecast."
            )


def _points(forecast: Forecast) -> list[tuple[int, float, float, float]]:
    return [
        (size, float(forecast.mean[i]), float(forecast.low[i]), float(forecast.high[i]))
        for i, size in enumerate(forecast.sizes)
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _gain(share: float) -> str:
    """Points with one decimal, a minus sign where there is one, and no minus zero."""
    text = f"{abs(100 * share):.1f}"
    return f"\u2212{text}" if share < 0 and float(text) else text


def rounded(labels: int, *, down: bool = False) -> str:
    """Two significant digits, as no forecast knows more: up, so that what is said suffices."""
    unit = 10 ** max(len(str(labels)) - 2, 0)
    return f"{(labels // unit if down else -(-labels // unit)) * unit:,}"
