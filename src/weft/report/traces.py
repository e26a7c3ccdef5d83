"""How each run went, epoch by epoch: its curve, the epoch kept, whether it stopped early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from weft.config import Recipe
from weft.report.rows import StudyView, records, section

_LENGTHS = {"recipe.epochs", "recipe.batch_size", "recipe.min_steps"}
"""Settings that decide how many steps a run may take."""


@dataclass(frozen=True)
class Trace:
    """One run that trains by epochs, finished or under way."""

    run_id: str
    method: str
    size: int
    seed: int
    status: str
    rows: tuple[dict[str, Any], ...]
    """Of the ledger's epoch table, in order, one or more."""
    best: int | None
    """The epoch whose weights were kept; None while it is not decided."""
    allowed: int | None
    """Steps that the recipe allowed; None where that is not known."""

    @property
    def stopped(self) -> bool:
        """Whether validation ended it before its recipe did."""
        last = self.rows[-1]["step"]
        return self.status == "done" and self.allowed is not None and last < self.allowed


def traces(view: StudyView) -> tuple[Trace, ...]:
    """Of all runs that have epochs, in the view's order."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in records(view.epochs):
        rows.setdefault(row["run_id"], []).append(row)
    recipe = _recipe(view)
    return tuple(
        Trace(
            run_id=run["run_id"],
            method=run["method"],
            size=int(run["size"]),
            seed=int(run["seed"]),
            status=run["status"],
            rows=tuple(rows[run["run_id"]]),
            best=run["best_epoch"] or None,
            allowed=None if recipe is None else recipe.steps_at(int(run["size"])),
        )
        for run in records(view.runs)
        if run["run_id"] in rows
    )


def _recipe(view: StudyView) -> Recipe | None:
    """The study's; None where it is not known, or a grid changes its length run by run."""
    config = section(view.facts, "config")
    if _LENGTHS & section(config, "grid").keys():
        return None
    try:
        return Recipe(**section(config, "recipe"))
    except (TypeError, ValidationError):
        return None
