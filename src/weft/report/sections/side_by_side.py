"""Studies side by side: their scores, what is told apart, and how they were run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.evidence.interval import FEWEST_SEEDS
from weft.evidence.mcnemar import mcnemar_exact
from weft.evidence.sentences import sentences
from weft.report import formats
from weft.report.formats import count, whole
from weft.report.intervals import NOT_MEASURED, unmeasured
from weft.report.markdown import markdown_table, plain
from weft.report.rows import section
from weft.report.sections.parts import Drawn, Part, Section
from weft.report.versus import Versus, cells_of

if TYPE_CHECKING:
    from weft.report.gathered import Gathered
    from weft.study.predictions import Predicted


_WHAT = (
    "Test accuracy, means over seeds, with 95 % intervals; beneath it validation, which selects. "
    "Test chose nothing in any of them."
)
_UNMEASURED = (
    f"\\* Fewer than {FEWEST_SEEDS} seeds: {NOT_MEASURED}, the interval is for the trained seeds "
    "alone and not to be held against one without this mark."
)
_CURVES = (
    "`comparison.html` draws them; the figures that they go through are those of the first table "
    "under Scores."
)


def side_by_side(found: Versus) -> list[Section]:
    """The sections of a comparison."""
    return [
        Section("answers", "The answers", tuple(_answers(found))),
        Section("curve", "Learning curves", (Drawn("versus", _CURVES),)),
        Section("scores", "Scores", tuple(_scores(found))),
        Section("how", "How they were run", tuple(_facts(found))),
    ]


def _answers(found: Versus) -> list[str]:
    return [
        f"**{plain(name)}**: {' '.join(study.headline or study.answer)}"
        for name, study in zip(found.names, found.studies, strict=True)
    ]


def _scores(found: Versus) -> list[Part]:
    parts: list[Part] = [_WHAT, _table(found, "test")]
    if any(unmeasured(row) for study in found.studies for row in cells_of(study).values()):
        parts.append(_UNMEASURED)
    parts.append("### Differences")
    family = found.family
    if family.comparisons:
        parts.append(
            f"Paired by seed and by test example with {plain(found.names[0])}, at equal method and "
            f"size; the intervals are those by which Holm's procedure judges all "
            f"{count(len(family.comparisons), 'comparison')} together. A difference is over the "
            "seeds that both have, so it may be another than that of the means above."
        )
        parts.append("\n".join(f"- {plain(text)}" for text in sentences(family)))
    parts += [
        f"{plain(name)} is not paired with {plain(found.names[0])}: {plain(why)}."
        for name, why in zip(found.names, found.apart, strict=True)
        if why
    ]
    return [
        *parts,
        *_adapters(found),
        "### Validation scores (these select)",
        _table(found, "validation"),
        *_costs(found),
    ]


def _adapters(found: Versus) -> list[str]:
    """What the studies' chosen models get right that the first one's does not, and the reverse."""
    said: list[str] = []
    rest = zip(found.names[1:], found.studies[1:], found.same_test[1:], strict=True)
    for name, study, same in rest:
        ours, theirs = found.studies[0].best, study.best
        if not same or ours is None or theirs is None:
            continue
        told = mcnemar_exact(_right(ours.run.test), _right(theirs.run.test))
        said.append(
            f"- {plain(found.names[0])} ({plain(ours.key.run_id)}) alone is right on "
            f"{count(told.only_first, 'test example')}, {plain(name)} ({plain(theirs.key.run_id)}) "
            f"alone on {whole(told.only_second)}: McNemar's exact p = {told.p:.2g}."
        )
    if not said:
        return []
    what = "Of the two models that validation chose, as they are; it says nothing of another seed."
    return ["### The chosen models", what, "\n".join(said)]


def _right(test: Predicted) -> NDArray[np.float64]:
    return (test.probabilities.argmax(1) == test.labels).astype(float)


def _table(found: Versus, split: str) -> str:
    cells = [cells_of(study) for study in found.studies]
    lines = [
        [
            *(whole(size), method),
            *(_score(own.get((method, size)), split) for own in cells),
            *(_seeds(own.get((method, size)), split) for own in cells),
        ]
        for method, size in found.places
    ]
    names = [plain(name) for name in found.names]
    return markdown_table(("size", "method", *names, *(f"seeds, {name}" for name in names)), lines)


def _seeds(row: dict[str, Any] | None, split: str) -> str:
    """How many, marked where the score's interval leaves training noise out."""
    if row is None:
        return formats.MISSING
    return f"{row['seeds']}{'*' if split == 'test' and unmeasured(row) else ''}"


def _score(row: dict[str, Any] | None, split: str) -> str:
    if row is None:
        return formats.MISSING
    name = f"{split}_accuracy"
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    score = formats.percent(row[name])
    if low is None or high is None:
        return score
    return f"{score} ({100 * low:.1f} to {100 * high:.1f})"


def _costs(found: Versus) -> list[str]:
    cells = [cells_of(study) for study in found.studies]
    lines = [
        [
            *(whole(size), method),
            *(formats.short(_of(own, (method, size), "seconds")) for own in cells),
            *(formats.size(_of(own, (method, size), "model_bytes")) for own in cells),
        ]
        for method, size in found.places
    ]
    names = [plain(name) for name in found.names]
    headings = [*(f"seconds, {name}" for name in names), *(f"on disk, {name}" for name in names)]
    return ["### What it took", markdown_table(("size", "method", *headings), lines)]


def _of(cells: dict[Any, dict[str, Any]], place: Any, name: str) -> float | None:
    return cells.get(place, {}).get(name)


def _facts(found: Versus) -> list[str]:
    parts: list[str] = []
    for name, study in zip(found.names, found.studies, strict=True):
        said = [f"- **{what}**: {plain(own)}" for what, own in _said(found, study).items() if own]
        parts += [f"### {plain(name)}", "\n".join(said) or "Its ledger holds no facts."]
    return parts


def _said(found: Versus, study: Gathered) -> dict[str, str]:
    facts = study.view.facts
    return {
        "command": str(facts.get("command") or ""),
        "backbone": _named(study, "backbone", "name", "precision", "pooling"),
        "data": _named(study, "data", "name", "train", "validation", "test"),
        "settings that differ": _differs(found, study),
        "weft and torch": _named(study, "versions", "weft", "torch"),
        "machine": _named(study, "machine", "cpu", "cores"),
        "date": str(facts.get("date") or ""),
    }


def _named(study: Gathered, part: str, *names: str) -> str:
    known = section(study.view.facts, part)
    values = [(name, known[name]) for name in names if known.get(name) is not None]
    return ", ".join(str(v) if name in ("name", "cpu") else f"{name} {v}" for name, v in values)


def _differs(found: Versus, study: Gathered) -> str:
    """A study's settings where they are not the same in all."""
    every = [_flat(section(one.view.facts, "config")) for one in found.studies]
    own = _flat(section(study.view.facts, "config"))
    keys = sorted({key for one in every for key in one})
    odd = [key for key in keys if len({one.get(key) for one in every}) > 1]
    return ", ".join(f"{key} {own[key]}" for key in odd if own.get(key) is not None)


def _flat(tree: dict[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(cast("dict[str, Any]", value), f"{before}{name}.")
        else:
            found[f"{before}{name}"] = _word(value)
    return found


def _word(value: Any) -> str:
    """A setting's value for a reader."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " and ".join(_word(item) for item in cast("list[Any]", value)) or "none"
    return str(value)
