"""Cells whose runs took few optimiser steps: their scores say more of training than of data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft.config import Recipe
from weft.evidence.compare import Place
from weft.evidence.sentences import name_of
from weft.report.formats import whole
from weft.report.rows import StudyView, done, name_of_cell, section

FLOOR = Recipe().min_steps
"""Optimiser steps below which a run that was still learning is called short: those that the default
recipe grants every training set."""

FEW = "few steps"
"""Stands with a cell whose runs are short."""


def few_steps(view: StudyView) -> dict[Place, int]:
    """By method and size, the steps of the shortest run, where they are fewer than `FLOOR`.

    A run that patience could have stopped, its best validation lying that far behind its last, had
    learnt what it could: it is not short. Methods that do not train by steps never are.
    """
    recipe = section(section(view.facts, "config"), "recipe")
    patience = recipe.get("patience", Recipe().patience)
    epochs: dict[str, list[dict[str, Any]]] = {}
    for row in done(view.epochs):
        epochs.setdefault(row["run_id"], []).append(row)
    least: dict[Place, int] = {}
    for run in done(view.runs):
        own = epochs.get(run["run_id"], [])
        steps = max((int(row["step"]) for row in own), default=FLOOR)
        after = sum(row["epoch"] > run["best_epoch"] for row in own)
        if steps < FLOOR and after < patience:
            place = (name_of_cell(run), run["size"])
            least[place] = min(least.get(place, FLOOR), steps)
    return least


def caution(few: Mapping[Place, int], method: str, sizes: Iterable[int]) -> str:
    """What an answer that rests on these sizes of a method has to add; empty if none is short."""
    short = [size for size in sorted(sizes) if (method, size) in few]
    if not short:
        return ""
    if len(short) == 1:
        where = f"at {whole(short[0])} examples"
    else:
        where = f"from {whole(short[0])} to {whole(short[-1])} examples"
    steps = sorted({few[method, size] for size in short})
    number = whole(steps[0]) if len(steps) == 1 else f"{whole(steps[0])} to {whole(steps[-1])}"
    return (
        f"Few steps: {where} {name_of(method)} took {number} optimiser steps, fewer than {FLOOR}. "
        "An undertrained curve rises and falsely says label more; "
        f"`--min-steps {FLOOR}` trains small sets for longer."
    )
