"""The study's question answered in words: would more labels help, and how many are needed?"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from weft.evidence.answer import Answer
from weft.evidence.compare import Comparison, Place
from weft.evidence.interval import Interval
from weft.evidence.sentences import name_of
from weft.evidence.sentences import points as unsigned
from weft.report.comparisons import Compared
from weft.report.forecast import Foreseen, forecast_sentences
from weft.report.formats import count, percent, whole
from weft.report.intervals import NOT_MEASURED, Judged, training_noise
from weft.report.rows import WITHHELD, StudyView, done, method_rank, withheld
from weft.report.steps import caution

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING = "No run is done yet, so there is nothing to say."


@dataclass(frozen=True)
class Chosen:
    """The method that the answer speaks of: the best mean validation accuracy at the largest size.

    Test never chooses it.
    """

    method: str
    sizes: tuple[int, ...]
    """At which it has finished runs, ascending."""
    alone: bool
    """Whether it is the only method at the largest size."""

    @property
    def standing(self) -> str:
        """Its name, and by what it was chosen where there was a choice."""
        if self.alone:
            return name_of(self.method)
        return f"{name_of(self.method)} (best mean validation accuracy at {whole(self.sizes[-1])})"


def chosen(view: StudyView) -> Chosen | None:
    """None where no run is done or scores must not be shown."""
    rows = _rows(view)
    if not rows:
        return None
    largest = max(row["size"] for row in rows)
    here = [row for row in rows if row["size"] == largest]
    methods = sorted({row["method"] for row in here}, key=method_rank)
    # rounded, so that equal scores tie and LoRA, which comes first, wins
    best = max(methods, key=lambda method: round(_mean(here, method), 9))
    sizes = tuple(sorted({row["size"] for row in rows if row["method"] == best}))
    return Chosen(best, sizes, len(methods) == 1)


def _rows(view: StudyView) -> list[dict[str, Any]]:
    names = ("test_accuracy", "validation_accuracy")
    return [row for row in done(view.runs) if None not in (row[name] for name in names)]


def _mean(rows: list[dict[str, Any]], method: str) -> float:
    return fmean(row["validation_accuracy"] for row in rows if row["method"] == method)


def answer(
    view: StudyView,
    who: Chosen | None,
    cells: Mapping[Place, Judged],
    found: Compared,
    ahead: Foreseen | None,
    few: Mapping[Place, int],
    target: float | None,
) -> tuple[str, ...]:
    """The answer, a paragraph each: the last step, the curve and the target, and cautions.

    A step is called a gain only where the family's interval for it excludes 0.

    Args:
        view: the study.
        who: the method to speak of, as `chosen` gives it.
        cells: those with intervals.
        found: the comparisons.
        ahead: the forecast for the chosen method.
        few: cells with few steps.
        target: the accuracy wanted, a share.
    """
    if withheld(view.facts):
        return (WITHHELD,)
    if who is None:
        return (NOTHING,)
    said = [_last_step(view, who, cells, found)]
    if ahead is not None:
        said += forecast_sentences(ahead)
    if target is not None and (ahead is None or not isinstance(ahead.said, Answer)):
        said.append(_of_target(view, who, cells, target))
    short = caution(few, who.method, who.sizes)
    return (*said, short) if short else tuple(said)


def _last_step(view: StudyView, who: Chosen, cells: Mapping[Place, Judged], found: Compared) -> str:
    means = _means(view, who)
    if len(who.sizes) == 1:
        (size,) = who.sizes
        return (
            f"At {whole(size)} training examples the test accuracy of {who.standing} is "
            f"{scored(means[size], cells.get((who.method, size)))}. Whether more labels would "
            "help cannot be said from one size: run at least two."
        )
    small, large = who.sizes[-2:]
    step = found.step(who.method, small, large)
    moved = (
        f"from {whole(small)} to {whole(large)} training examples the test accuracy of "
        f"{who.standing} "
        f"{_went(means[large] - means[small])}, from {percent(means[small])} to "
        f"{percent(means[large])}"
    )
    if step is None:
        return (
            f"Undecided: {moved}. No interval can be given: the two sizes share no seed, or their "
            "predictions cannot be read."
        )
    return _judged_step(step, who, means)


def _judged_step(step: Comparison, who: Chosen, means: dict[int, float]) -> str:
    """Speaks of the seeds that both sizes share: the difference that was tested."""
    small, large = step.second[1], step.first[1]
    gain, low, high = step.difference.estimate, step.adjusted_low, step.adjusted_high
    if gain < 0:
        low, high = -high, -low
    moved = (
        f"from {whole(small)} to {whole(large)} training examples the test accuracy of "
        f"{who.standing} "
        f"{_went(gain)} ({unsigned(low)} to {unsigned(high)})"
    )
    seeds = step.difference.seeds
    if _same_seeds(step, means):
        moved += f", from {percent(means[small])} to {percent(means[large])}"
    else:
        moved += f", over the {count(seeds, 'seed')} that both sizes have"
    noise = f" {NOT_MEASURED.capitalize()} ({count(seeds, 'shared seed')})"
    measured = training_noise(seeds)
    if not step.told_apart:
        more = "More seeds, more test examples or a larger size would tell."
        examples = f"{whole(step.difference.examples)} test examples"
        end = "" if measured else f"{noise}."
        return f"Undecided: {moved}: not told apart on these {examples}.{end} {more}"
    verdict = "More labels were still helping" if gain > 0 else "More labels did not help"
    end = "." if measured else f".{noise}: other seeds may do otherwise."
    return f"{verdict}: {moved}{end}"


def _same_seeds(step: Comparison, means: dict[int, float]) -> bool:
    """Whether the means over all seeds differ by what was tested over the shared ones."""
    apart = means[step.first[1]] - means[step.second[1]]
    return abs(apart - step.difference.estimate) < 5e-4


def _went(gain: float) -> str:
    if gain == 0:
        return "stays as it is"
    return f"{'rises' if gain > 0 else 'falls'} by {unsigned(abs(gain))} points"


def _of_target(view: StudyView, who: Chosen, cells: Mapping[Place, Judged], target: float) -> str:
    """What can be said of a target without a forecast: whether it was met."""
    largest = who.sizes[-1]
    mean, cell = _means(view, who)[largest], cells.get((who.method, largest))
    stands = f"{name_of(who.method)} scores {scored(mean, cell)} at {whole(largest)}"
    low = None if cell is None else cell.recipe.accuracy.low
    if low is not None and low >= target:
        return f"{percent(target)} is met: {stands} training examples."
    return f"How many labels {percent(target)} takes is not forecast: {stands} training examples."


def _means(view: StudyView, who: Chosen) -> dict[int, float]:
    rows = [row for row in _rows(view) if row["method"] == who.method]
    return {
        size: fmean(row["test_accuracy"] for row in rows if row["size"] == size)
        for size in who.sizes
    }


def scored(mean: float, cell: Judged | None) -> str:
    """With its interval, and a label where that leaves training noise out."""
    if cell is None:
        return percent(mean)
    seeds = len(cell.answers.seeds)
    label = "" if training_noise(seeds) else f", {NOT_MEASURED}"
    return f"{percent(mean)} ({between(cell.recipe.accuracy)}{label})"


def between(interval: Interval) -> str:
    """Both ends of an interval of a share, in per cent: `74.9 to 79.7`."""
    if interval.low is None or interval.high is None:
        return interval.noise
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
