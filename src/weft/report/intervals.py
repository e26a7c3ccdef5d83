"""Intervals of a study's test scores: of each recipe over its seeds, and of each saved model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.evidence.compare import Cell, Place
from weft.evidence.interval import FEWEST_SEEDS, Interval
from weft.evidence.recipe import ScoreIntervals, correctness, score_intervals
from weft.randomness import generator_for
from weft.report.readings import Readings
from weft.report.rows import StudyView, done, method_rank, name_of_cell, section

LEVEL = 0.95
SCORED = ("accuracy", "f1", "loss")
"""The test scores that have an interval."""

NOT_MEASURED = "training noise not measured"
"""Stands with an interval over fewer than three seeds."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A method at a size, all of whose finished runs' predictions are there."""

    recipe: ScoreIntervals
    """Of the recipe: over new seeds and new test examples, or over test examples alone."""
    adapters: Mapping[str, ScoreIntervals]
    """By run id: of each saved model as it is."""
    answers: Cell
    """Which test answers of which seed are right."""


def judged(view: StudyView, runs: Readings) -> dict[Place, Judged]:
    """By method (with its settings, if there are several) and size, methods in the house's order.

    A cell is left out where a run of it cannot be read, since its interval would not be one of the
    mean that the table shows, and where its test examples are not those of the first cell.
    """
    groups: dict[Place, list[dict[str, Any]]] = {}
    for row in sorted(done(view.runs), key=lambda row: (method_rank(row["method"]), row["size"])):
        groups.setdefault((name_of_cell(row), row["size"]), []).append(row)
    whole = {
        place: rows
        for place, rows in groups.items()
        if all(row["run_id"] in runs for row in rows) and _one_a_seed(rows)
    }
    found: dict[Place, Judged] = {}
    labels: NDArray[np.int64] | None = None
    for place, rows in whole.items():
        tests = [runs[row["run_id"]].test for row in rows]
        labels = tests[0].labels if labels is None else labels
        if len(labels) >= 2 and all(np.array_equal(test.labels, labels) for test in tests):
            stacked = np.stack([test.probabilities for test in tests])  # (S, n, C)
            found[place] = _judged(place, rows, stacked, labels, _positive(view))
    return found


def _one_a_seed(rows: list[dict[str, Any]]) -> bool:
    """False where a cell has runs of two configurations, which are no repeats of each other."""
    return len({row["seed"] for row in rows}) == len(rows)


def _judged(
    place: Place,
    rows: list[dict[str, Any]],
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    positive: int | None,
) -> Judged:
    generator = generator_for("F1 on test", *place)
    recipe, alone = score_intervals(probabilities, labels, positive, generator, LEVEL)
    adapters = {row["run_id"]: own for row, own in zip(rows, alone, strict=True)}
    seeds = tuple(int(row["seed"]) for row in rows)
    return Judged(recipe, adapters, Cell(seeds, correctness(probabilities, labels)))


def _positive(view: StudyView) -> int | None:
    value = section(view.facts, "data").get("positive")
    return value if isinstance(value, int) else None


def ends(found: ScoreIntervals | None) -> dict[str, float | None]:
    """`test_accuracy_low`, `test_accuracy_high`, ...; None where no interval is offered."""
    both: dict[str, float | None] = {}
    for name in SCORED:
        interval = None if found is None else of_score(found, name)
        both[f"test_{name}_low"] = None if interval is None else interval.low
        both[f"test_{name}_high"] = None if interval is None else interval.high
    return both


def of_score(found: ScoreIntervals, name: str) -> Interval:
    """The interval of `accuracy`, `f1` or `loss`."""
    return {"accuracy": found.accuracy, "f1": found.f1, "loss": found.loss}[name]


def training_noise(seeds: int) -> bool:
    """Whether so many seeds measure how far another training run would land."""
    return seeds >= FEWEST_SEEDS


def unmeasured(row: dict[str, Any]) -> bool:
    """Whether a summary's row has an interval that leaves training noise out."""
    return row["test_accuracy_low"] is not None and not training_noise(row["seeds"])
