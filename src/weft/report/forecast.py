"""The curve beyond the largest size, where the study's own back-test lets it be shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.evidence.answer import Answer, Needed, OutOfReach, answer
from weft.evidence.answer import sentences as _sentences
from weft.evidence.backtest import Case, Summary, earned, judge, summarised
from weft.evidence.forecast import REACH, curve_of
from weft.evidence.ladder import LEAST_SIZES, Refusal, ladder_of
from weft.randomness import generator_for
from weft.report.formats import count, points
from weft.report.rows import StudyView, done, section

BAND = 0.9
"""Level of the forecast's band."""


@dataclass(frozen=True)
class Foreseen:
    """What the curve of one method says, or why it is not asked."""

    method: str
    said: Answer | Refusal
    tested: tuple[Summary, ...]
    """The back-test on this method's own ladder, a summary a way; empty where it is too short."""


@dataclass(frozen=True)
class Line:
    """The forecast as it is drawn, from the largest size on; shares."""

    sizes: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def foreseen(view: StudyView, method: str, target: float | None) -> Foreseen:
    """The forecast of a method's accuracy at 2 and 4 times its largest size, and of a target.

    Args:
        view: the study.
        method: whose finished runs make the ladder.
        target: accuracy wanted, a share.
    """
    scores = accuracies(view, method)
    validation = int(section(view.facts, "data").get("validation") or 0)
    said = answer(scores, validation, _generator(method), target, BAND)
    if isinstance(said, Refusal):
        return Foreseen(method, said, ())
    tested = tuple(one for one in backtest(view, [method]) if one.data == method)
    if not tested:
        said = Refusal(f"None is printed untested: {needs(view, [method])}.")
    elif not earned(tested)[method]:
        said = Refusal(_no_better(tested))
    return Foreseen(method, said, tested)


def line_of(view: StudyView, found: Foreseen) -> Line | None:
    """The curve and its band for a picture; None where nothing is forecast."""
    if isinstance(found.said, Refusal):
        return None
    ladder = ladder_of(accuracies(view, found.method))
    assert not isinstance(ladder, Refusal), "this ladder bore a forecast"
    curve = curve_of(ladder, _generator(found.method))
    sizes = ladder.largest * REACH ** np.linspace(0.0, 1.0, 40)
    return Line(sizes, curve.mean(sizes), *curve.band(sizes, BAND))


def backtest(view: StudyView, methods: list[str]) -> list[Summary]:
    """The forecast and its baselines on the study's own ladders, shortened.

    Each ladder is cut after its fourth size, its fifth and so on; what the cut one forecasts up to
    4 times its largest size is held against the sizes that were run. Seeds stay together.

    Returns:
        A summary a method and way, with the means over methods as `all`; nothing where no ladder
        can be cut.
    """
    cases = [case for method in methods for case in _cases(method, accuracies(view, method))]
    return summarised(judge(cases)) if cases else []


def _cases(method: str, scores: dict[int, NDArray[np.float64]]) -> list[Case]:
    sizes = sorted(scores)
    found: list[Case] = []
    for known in range(LEAST_SIZES, len(sizes)):
        shown = {size: scores[size].tolist() for size in sizes[:known]}
        farthest = REACH * sizes[known - 1]
        truth = {
            size: [float(np.nanmean(scores[size]))] for size in sizes[known:] if size <= farthest
        }
        if truth and not isinstance(ladder_of(shown), Refusal):
            found.append(Case(method, f"up to {sizes[known - 1]}", shown, truth))
    return found


def accuracies(view: StudyView, method: str) -> dict[int, NDArray[np.float64]]:
    """Test accuracies of a method's finished runs by size: a place a seed, NaN where it is not."""
    rows = [
        row
        for row in done(view.runs)
        if row["method"] == method and row["test_accuracy"] is not None
    ]
    seeds = sorted({int(row["seed"]) for row in rows})
    found: dict[int, NDArray[np.float64]] = {}
    for row in rows:
        own = found.setdefault(int(row["size"]), np.full(len(seeds), np.nan))
        own[seeds.index(int(row["seed"]))] = row["test_accuracy"]
    return found


def forecast_sentences(found: Foreseen) -> tuple[str, ...]:
    """The forecast in words, with what it was tested on; or why there is none."""
    said = _sentences(found.said)
    if isinstance(found.said, Refusal):
        return said
    return (*said, _tested(found.tested))


def forecast_data(found: Foreseen | None) -> dict[str, Any] | None:
    """The forecast for other programs; shares and whole labels."""
    if found is None:
        return None
    said, tested = found.said, [asdict(one) for one in found.tested]
    if isinstance(said, Refusal):
        return {"method": found.method, "refused": said.reason, "backtest": tested}
    curve = said.forecast
    return {
        "method": found.method,
        "refused": None,
        "level": curve.level,
        "labels_that_select": said.validation,
        "at": [
            {
                "size": size,
                "labels": size + said.validation,
                "mean": float(curve.mean[place]),
                "low": float(curve.low[place]),
                "high": float(curve.high[place]),
            }
            for place, size in enumerate(curve.sizes)
        ],
        "target": said.target,
        "outcome": _outcome(said),
        "backtest": tested,
    }


def _outcome(said: Answer) -> dict[str, Any] | None:
    if said.outcome is None:
        return None
    kinds: dict[type, str] = {Needed: "labels needed", OutOfReach: "out of reach"}
    return {"kind": kinds.get(type(said.outcome), "undecided"), **asdict(said.outcome)}


def _generator(method: str) -> np.random.Generator:
    return generator_for("forecast", method)


def _of(tested: tuple[Summary, ...]) -> dict[str, Summary]:
    return {one.way: one for one in tested}


def _no_better(tested: tuple[Summary, ...]) -> str:
    ways = _of(tested)
    own = ways["forecast"]
    rivals = [one for one in tested if one.way != "forecast"]
    best = min(rivals, key=lambda one: one.interval_score)
    return (
        f"Held against the sizes of this study that it was not shown ({_number(own)}), it did no "
        f'better than "{best.way}": interval score {points(own.interval_score)} against '
        f"{points(best.interval_score)} points, smaller is better."
    )


def _tested(tested: tuple[Summary, ...]) -> str:
    own = _of(tested)["forecast"]
    return (
        f"Held against sizes of this study that it was not shown ({_number(own)}), the forecast "
        f"missed by {points(own.miss)} points on average, and its {100 * BAND:.0f} % band held the "
        f"outcome {count(round(own.coverage * own.forecasts), 'time')} of {own.forecasts}."
    )


def _number(own: Summary) -> str:
    return f"{count(own.forecasts, 'forecast')} from {count(own.ladders, 'shortened ladder')}"


def needs(view: StudyView, methods: list[str]) -> str:
    """What a back-test would take and what is there, a sentence."""
    most = max((len(accuracies(view, method)) for method in methods), default=0)
    return (
        f"{count(most, 'size')}; a back-test takes {LEAST_SIZES + 1} or more, the largest of the "
        f"first {LEAST_SIZES} at least 8 times the smallest, the next at most {REACH:g} times "
        "that, and 2 seeds or more"
    )
