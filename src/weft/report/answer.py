"""The study's question answered in words: would more labels help? No claim beyond the means."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from weft.report.formats import count, percent, points, whole
from weft.report.rows import WITHHELD, done, method_rank, withheld

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)


_ROUNDING = 1e-9  # of sums of accuracies: equal is not more


def answer(runs: pd.DataFrame, facts: dict[str, Any]) -> str:
    """One or two sentences from the mean test accuracies at the two largest sizes.

    They speak of one method: the one with the best mean validation accuracy at the largest size.
    A step is called a gain only where it is larger than the spread between seeds, which is the
    largest less the smallest accuracy at one size. That is a caution, not a test or an interval.

    Args:
        runs: as `Ledger.runs` or `read(folder).runs` gives it.
        facts: the study's; only `random_weights` is looked at.
    """
    if withheld(facts):
        return WITHHELD
    names = ("test_accuracy", "validation_accuracy")
    rows = [row for row in done(runs) if None not in (row[name] for name in names)]
    if not rows:
        return "No run is done yet, so there is nothing to say."
    largest = max(row["size"] for row in rows)
    method, alone = _best(rows, largest)
    own = [row for row in rows if row["method"] == method]
    sizes = sorted({row["size"] for row in own})
    standing = _standing(method, largest, alone=alone)
    if len(sizes) == 1:
        return _of_one_size(own, largest, standing)
    return _of_a_step(own, sizes[-2], largest, standing)


def _best(rows: list[dict[str, Any]], size: int) -> tuple[str, bool]:
    """The method with the best mean validation accuracy at a size, and whether it ran alone."""
    here = [row for row in rows if row["size"] == size]
    methods = sorted({row["method"] for row in here}, key=method_rank)
    # rounded, so that equal scores tie and LoRA, which comes first, wins
    best = max(methods, key=lambda method: round(_mean(here, method, "validation_accuracy"), 9))
    return best, len(methods) == 1


def _mean(rows: list[dict[str, Any]], method: str, name: str) -> float:
    return fmean(row[name] for row in rows if row["method"] == method)


def _standing(method: str, size: int, *, alone: bool) -> str:
    if alone:
        return method
    return f"{method} (best mean validation accuracy at {whole(size)})"


def _accuracies(rows: list[dict[str, Any]], size: int) -> list[float]:
    return [row["test_accuracy"] for row in rows if row["size"] == size]


def _of_one_size(rows: list[dict[str, Any]], size: int, standing: str) -> str:
    values = _accuracies(rows, size)
    if len(values) == 1:
        luck = "with one seed, so how far chance moves it is not known"
    else:
        spread = points(max(values) - min(values))
        luck = (
            f"and its {count(len(values), 'seed')} lie {spread} points apart, which is no interval"
        )
    return (
        f"At {whole(size)} labels {standing} has a mean test accuracy of "
        f"{percent(fmean(values))}, {luck}. "
        "Whether more labels would help cannot be said from one size: run at least two."
    )


def _of_a_step(rows: list[dict[str, Any]], small: int, large: int, standing: str) -> str:
    before, after = _accuracies(rows, small), _accuracies(rows, large)
    step = fmean(after) - fmean(before)
    spreads = [max(values) - min(values) for values in (before, after) if len(values) > 1]
    verb = "rises" if step > 0 else "falls"
    moved = (
        f"from {whole(small)} to {whole(large)} labels the mean test accuracy of {standing} "
        f"{verb} by {points(step)} points, from {percent(fmean(before))} to {percent(fmean(after))}"
    )
    if step == 0:
        moved = (
            f"the mean test accuracy of {standing} is {percent(fmean(after))} "
            f"at {whole(small)} labels and at {whole(large)}"
        )
    if not spreads:
        return (
            f"Undecided: {moved}, but each size has one seed, so a gain cannot be told "
            "from chance. More seeds would tell."
        )
    spread = max(spreads)
    apart = f"{points(spread)} points by which seeds lie apart"
    single = [size for size, values in ((small, before), (large, after)) if len(values) == 1]
    caution = "The spread of seeds is no interval"
    if single:
        caution += f", and at {whole(single[0])} there is one seed only"
    if abs(step) <= spread + _ROUNDING:
        return (
            f"Undecided: {moved}, within the {apart}. {caution}; "
            "more seeds or a larger size would tell."
        )
    beyond = f"what happens beyond {whole(large)} is not measured here"
    if step > 0:
        return (
            f"More labels were still helping: {moved}, more than the {apart}. {caution}; {beyond}."
        )
    return f"More labels did not help: {moved}, more than the {apart}. {caution}; {beyond}."
