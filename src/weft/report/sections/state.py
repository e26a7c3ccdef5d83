"""What of a study is not done: runs that failed, and runs that wait or are under way."""

from __future__ import annotations

from collections import Counter
from typing import Any

from weft.report.formats import count
from weft.report.markdown import code
from weft.report.rows import StudyView, name_of_cell, records


def state(view: StudyView) -> list[str]:
    """The parts that say it; none where all is done."""
    rows = records(view.runs)
    parts: list[str] = []
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        parts += ["## Failed runs", "\n".join(_failure(row) for row in failed)]
    waiting = Counter(row["status"] for row in rows if row["status"] in ("planned", "running"))
    if waiting:
        words = [count(waiting["planned"], "run") + " planned"] if waiting["planned"] else []
        if waiting["running"]:
            words.append(count(waiting["running"], "run") + " begun and not ended")
        parts += [
            "## Not done yet",
            f"{' and '.join(words)}: `weft study` with the same settings goes on where it stopped.",
        ]
    return parts


def _failure(row: dict[str, Any]) -> str:
    head = (
        f"- {code(row['run_id'])} ({name_of_cell(row)}, size {row['size']:,}, seed {row['seed']})"
    )
    lines = str(row["error"] or "no reason was kept").splitlines()
    return "\n".join([f"{head}:", "", "  ~~~text", *(f"  {line}" for line in lines), "  ~~~"])
