"""Scores by size, test and validation apart, with what they took and what may be concluded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from weft.report.comparisons import comparisons_markdown
from weft.report.convergence import unconverged
from weft.report.features import features_sentence
from weft.report.grid import looks_sentence
from weft.report.intervals import NOT_MEASURED, SCORED, of_score, unmeasured
from weft.report.markdown import CHOSEN, MAIN, costs_to_markdown, to_markdown
from weft.report.provenance import published
from weft.report.rows import StudyView, records, section
from weft.report.sections.probabilities import unlike_test
from weft.report.steps import FEW, FLOOR

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


def score_parts(found: Gathered) -> list[str]:
    """Test's table with the comparisons beneath it, then validation's."""
    view, table = found.view, found.table
    parts = ["## Test scores by size", _about(found), to_markdown(table, "test")]
    if _drawn_from_train(view) and found.best is not None and unlike_test(found.best):
        parts.append(_REMEDY)
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


def cost_parts(found: Gathered) -> list[str]:
    """What each method took."""
    parts = ["## What it took", _TOOK, costs_to_markdown(found.table)]
    shared = features_sentence(found.view)
    return [*parts, shared] if shared else parts


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
    stopped = unconverged(found.view)
    if stopped:
        said.append(stopped)
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
