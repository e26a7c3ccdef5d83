"""Cells whose runs took few optimiser steps: their scores say more of training than of data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    taken: dict[str, int] = {}
    validated: dict[str, list[int]] = {}
    for row in done(view.epochs):
        taken[row["run_id"]] = max(taken.get(row["run_id"], 0), int(row["step"]))
        validated.setdefault(row["run_id"], []).append(int(row["epoch"]))
    least: dict[Place, int] = {}
    for row in done(view.runs):
        after = sum(epoch > row["best_epoch"] for epoch in validated.get(row["run_id"], []))
        if row["run_id"] in taken and after < patience:
            place = (name_of_cell(row), row["size"])
            least[place] = min(least.get(place, FLOOR), taken[row["run_id"]])
    return {place: steps for place, steps in least.items() if steps < FLOOR}


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
