"""results.md: the study for a reader, from the answer down to the single run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from weft.report.formats import count
from weft.report.markdown import (
    code,
    costs_to_markdown,
    plain,
    run_costs_to_markdown,
    runs_to_markdown,
    to_markdown,
)
from weft.report.probabilities import probabilities_markdown
from weft.report.provenance import provenance, published
from weft.report.rows import StudyView, done, records, withheld
from weft.report.tables import share_of, summary

_SPREAD = (
    "Means over seeds. Seed spread says how far the seeds' accuracies lie apart, in percentage "
    "points: their standard deviation (SD), or both ends where there are two. It is not an "
    "interval."
)
_TEST = "Scores on the test split, which never chooses anything. " + _SPREAD
_VALIDATION = (
    "Scores on the validation split, which **selects**: it chose the epoch of each run and the "
    "best method. They flatter what they chose and are not the result."
)


_TOOK = (
    "Means over seeds. LoRA's runs are trained together, and so are BitFit's: the seconds of one "
    "are wall time beside its neighbours, and its examples/s are its own share. Peak memory is the "
    "most that the process took on while a method worked, beyond what it held when that began; "
    "runs that train together share it. On disk is the saved model, without checkpoints and "
    "without the backbone, which all but full fine-tuning and TF-IDF need beside it."
)


def results_markdown(view: StudyView, sentence: str, files: Sequence[str]) -> str:
    """The whole page.

    Args:
        view: the study.
        sentence: the answer.
        files: everything that is written beside the page, relative to the study's folder.
    """
    runs = done(view.runs)
    for run in runs:
        run["share"] = share_of(run)
    shown = bool(runs) and not withheld(view.facts)
    parts = [f"# Study: {plain(str(view.facts.get('name') or 'without a name'))}", sentence]
    if shown:
        parts += _scores_by_size(view, files)
        parts += probabilities_markdown(view, files)
    if runs:
        parts += ["## What it took", _TOOK, costs_to_markdown(summary(view.runs))]
    parts += ["## What was trained", provenance(view.facts)]
    if shown:
        parts += ["## Runs: test", runs_to_markdown(runs, "test")]
        parts += ["## Runs: validation (selects)", runs_to_markdown(runs, "validation")]
    if runs:
        parts += ["## Runs: what they took", run_costs_to_markdown(runs)]
    parts += _unfinished(view)
    parts += ["## Files", _list(files)]
    return "\n\n".join(parts) + "\n"


def _scores_by_size(view: StudyView, files: Sequence[str]) -> list[str]:
    table = summary(view.runs)
    parts = ["## Test scores by size", _TEST, to_markdown(table, "test")]
    if "figures/sizes.png" in files:
        parts.append("![Test accuracy against training size](figures/sizes.png)")
    beside = published(view.facts, table)
    if beside:
        parts += ["### Published figures", beside]
    return [
        *parts,
        "## Validation scores by size (these select)",
        _VALIDATION,
        to_markdown(table, "validation"),
    ]


def _unfinished(view: StudyView) -> list[str]:
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
    head = f"- {code(row['run_id'])} ({row['method']}, size {row['size']:,}, seed {row['seed']})"
    lines = str(row["error"] or "no reason was kept").splitlines()
    return "\n".join([f"{head}:", "", "  ~~~text", *(f"  {line}" for line in lines), "  ~~~"])


def _list(files: Sequence[str]) -> str:
    """All files; the training logs, one per run, as one line."""
    logs = [file for file in files if file.endswith("/training_log.csv")]
    others = ["results.md", *(file for file in files if file not in logs)]
    lines = [f"- [{file}]({file})" for file in others]
    if logs:
        lines.append(f"- `runs/<run>/training_log.csv`: {count(len(logs), 'file')}")
    return "\n".join(lines)
