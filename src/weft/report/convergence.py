"""Runs whose logistic regression was stopped before it had converged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.evidence.sentences import name_of
from weft.report.formats import count, whole
from weft.report.rows import StudyView, done, section

_STOOD = (
    "logistic regression took all the iterations that it is given, at the C that validation chose; "
    "its scores are those of where it stood."
)
STOPPED = f"Not converged: its {_STOOD}"
"""Of one run."""


def stopped(extra: Mapping[str, Any]) -> bool:
    """Whether a run's own facts say so."""
    return extra.get("converged") is False


def unconverged(view: StudyView) -> str:
    """How many runs of which cells, in a sentence; empty where there is none."""
    cells: dict[tuple[int, str], int] = {}
    for row in done(view.runs):
        if stopped(section(row, "extra")):
            place = row["size"], row["method"]
            cells[place] = cells.get(place, 0) + 1
    if not cells:
        return ""
    where = ", ".join(
        f"{name_of(method)} at {whole(size)} ({count(number, 'run')})"
        for (size, method), number in sorted(cells.items())
    )
    return f"Not converged: {where}. Their {_STOOD}"
