"""results.md: the study for a reader, from the answer down to the single run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from weft.report.comparisons import comparisons_markdown
from weft.report.formats import count
from weft.report.grid import looks_sentence
from weft.report.intervals import NOT_MEASURED, SCORED, of_score, unmeasured
from weft.report.markdown import (
    CHOSEN,
    MAIN,
    code,
    costs_to_markdown,
    plain,
    run_costs_to_markdown,
    runs_to_markdown,
    to_markdown,
)
from weft.report.probabilities import probabilities_markdown, unlike_test
from weft.report.provenance import provenance, published
from weft.report.rows import StudyView, done, name_of_cell, records, section, withheld
from weft.report.steps import FEW, FLOOR
from weft.report.tables import share_of

if TYPE_CHECKING:
    from weft.report.gathered import Gathered

_SPREAD = (
    "Means over seeds. Seed spread says how far the seeds' accuracies lie apart, in percentage "
    "points: their standard deviation (SD), or both ends where there are two. It is not an "
    "interval."
)
_TEST = "Scores on the test split, which never chooses anything. " + _SPREAD
_INTERVAL = (
    "In brackets: 95 % intervals of the score that a run of this recipe can be expected to have "
    "with a new seed on new examples like those of test."
)
_ALONE = (
    f"Where the note says {NOT_MEASURED} (one or two seeds), the interval is for the trained seeds "
    "alone and covers test examples only."
)
_GRID = (
    f"Where a method has several settings the note says {CHOSEN} with the one of the best mean "
    f"validation accuracy at that size, and {MAIN} with the one of the best mean over the sizes: "
    "comparisons, calibration and pictures are of that one."
)
_SHORT = (
    f"{FEW.capitalize()}: a run took fewer than {FLOOR} optimiser steps (how many is in brackets) "
    "and was still learning. Its score says more of short training than of few examples."
)
_OWN = (
    "In brackets: 95 % intervals of this one saved model's own score on new examples like those "
    "of test. They say nothing of another seed; intervals over seeds are in the table by size."
)
_VALIDATION = (
    "Scores on the validation split, which **selects**: it chose the epoch of each run and the "
    "best method. They flatter what they chose and are not the result."
)
_DRAWN = "drawn from train"
"""What the note on a validation set that was part of train says of it."""
_REMEDY = (
    "Validation, which chooses, is not like test here (see Calibration), and it was drawn from "
    "train: `--validation disjoint` keeps out of train what contains, or lies in, one of its texts."
)

_TOOK = (
    "Means over seeds. LoRA's runs are trained together, and so are BitFit's: the seconds of one "
    "are wall time beside its neighbours, and its examples/s are its own share. Peak memory is the "
    "most that the process took on while a method worked, beyond what it held when that began; "
    "runs that train together share it. On disk is the saved model, without checkpoints and "
    "without the backbone, which all but full fine-tuning and TF-IDF need beside it."
)


def results_markdown(found: Gathered, files: Sequence[str]) -> str:
    """The whole page.

    Args:
        found: the study and what is concluded from it.
        files: everything that is written beside the page, relative to the study's folder.
    """
    view = found.view
    runs = done(view.runs)
    for run in runs:
        run["share"] = share_of(run)
    shown = bool(runs) and not withheld(view.facts)
    parts = [f"# Study: {plain(str(view.facts.get('name') or 'without a name'))}"]
    parts += found.answer
    if shown:
        parts += _scores_by_size(found, files)
        parts += probabilities_markdown(found, files)
    if runs:
        parts += ["## What it took", _TOOK, costs_to_markdown(found.table)]
    parts += ["## What was trained", provenance(view.facts)]
    if shown:
        own = found.adapters
        parts += ["## Runs: test", *([_OWN] if own else []), runs_to_markdown(runs, "test", own)]
        parts += ["## Runs: validation (selects)", runs_to_markdown(runs, "validation")]
    if runs:
        parts += ["## Runs: what they took", run_costs_to_markdown(runs)]
    parts += _unfinished(view)
    parts += ["## Files", _list(files)]
    return "\n\n".join(parts) + "\n"


def _scores_by_size(found: Gathered, files: Sequence[str]) -> list[str]:
    view, table = found.view, found.table
    parts = ["## Test scores by size", _about(found), to_markdown(table, "test")]
    if _drawn_from_train(view) and found.best is not None and unlike_test(found.best):
        parts.append(_REMEDY)
    if "figures/sizes.png" in files:
        parts.append("![Test accuracy against training size](figures/sizes.png)")
    parts += comparisons_markdown(found.compared)
    beside = published(view.facts, table)
    if beside:
        parts += ["### Published figures", beside]
    return [
        *parts,
        "## Validation scores by size (these select)",
        _VALIDATION,
        to_markdown(table, "validation"),
    ]


def _about(found: Gathered) -> str:
    """What stands above the table of test scores."""
    rows = records(found.table)
    said = [_TEST]
    if found.judged:
        said.append(_INTERVAL)
        said += _not_offered(found)
    if any(unmeasured(row) for row in rows):
        said.append(_ALONE)
    if found.few:
        said.append(_SHORT)
    said.append(looks_sentence(found.view, found.looks))
    if any(row["main"] is not None for row in rows):
        said.append(_GRID)
    return " ".join(said)


def _not_offered(found: Gathered) -> list[str]:
    """Why a score of a cell has no interval, each reason once."""
    reasons = {
        of_score(cell.recipe, name).noise
        for cell in found.every.values()
        for name in SCORED
        if not of_score(cell.recipe, name).offered
    }
    return [f"Where none is given: {reason}." for reason in sorted(reasons)]


def _drawn_from_train(view: StudyView) -> bool:
    """Whether validation was a random part of train, which texts of train may overlap."""
    notes = cast("list[Any]", section(view.facts, "data").get("notes") or [])
    settings = section(section(view.facts, "config"), "data")
    own = any(_DRAWN in str(note) for note in notes)
    return own and settings.get("validation", "random") == "random"


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
    head = (
        f"- {code(row['run_id'])} ({name_of_cell(row)}, size {row['size']:,}, seed {row['seed']})"
    )
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
