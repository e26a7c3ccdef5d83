"""Tables in Markdown: scores and costs, of sizes and of single runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from weft.report import formats
from weft.report.intervals import NOT_MEASURED, ends, unmeasured
from weft.report.rows import name_of_cell, records
from weft.report.steps import FEW
from weft.report.tables import spread_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    from weft.evidence.recipe import ScoreIntervals

_AFTER_ACCURACY = {"f1": "F1", "precision": "precision", "recall": "recall", "loss": "loss"}
_COSTS = {
    "trainable": ("trainable parameters", formats.whole),
    "share": ("share of all", formats.share),
    "epochs": ("epochs", formats.few),
    "best_epoch": ("best epoch", formats.few),
    "seconds": ("seconds a run", formats.short),
    "examples_per_second": ("examples/s", formats.short),
    "peak_memory_bytes": ("peak memory", formats.size),
    "model_bytes": ("on disk", formats.size),
}
CHOSEN, MAIN = "validation's choice here", "in answer and curves"
"""Stand with one of several settings: chosen at its size, and the one for all sizes."""
_WORDY = frozenset(
    [
        *("method", "run", "status", "note", "end", "true", "answer", "class", "kind", "label"),
        *("text", "most often taken for", "examples that", "what"),
    ]
)


def to_markdown(table: pd.DataFrame, split: str = "test") -> str:
    """A summary's scores on one split (`test` or `validation`); those of test with intervals.

    A column `note` is there where an interval leaves training noise out, or steps were few, or
    validation chose among settings.
    """
    found = records(table)
    notes = [_note(row, split) for row in found]
    rows = [
        [
            *_place(row),
            _accuracy(row, split),
            spread_of(row, f"{split}_accuracy"),
            *_after_accuracy(row, split),
            *([note] if any(notes) else []),
        ]
        for row, note in zip(found, notes, strict=True)
    ]
    headings = ("size", "method", "seeds", "accuracy", "seed spread, points")
    last = ("note",) if any(notes) else ()
    return markdown_table((*headings, *_AFTER_ACCURACY.values(), *last), rows)


def _note(row: dict[str, Any], split: str) -> str:
    said = [CHOSEN] if row["chosen"] else []
    if row["main"]:
        said.append(MAIN)
    if split != "test":
        return ", ".join(said)
    if unmeasured(row):
        said.append(NOT_MEASURED)
    if row["few_steps"] is not None:
        said.append(f"{FEW} ({formats.whole(row['few_steps'])})")
    return ", ".join(said)


def _accuracy(row: dict[str, Any], split: str) -> str:
    return formats.with_ends(
        formats.percent(row[f"{split}_accuracy"]), *_ends(row, f"{split}_accuracy", _bare)
    )


def _bare(share: float | None) -> str:
    """A share in per cent, without its sign: the score before it has one."""
    return formats.percent(share).removesuffix(" %")


def _ends(row: dict[str, Any], name: str, write: Callable[[float | None], str]) -> tuple[str, str]:
    """Those of an interval; validation's scores have none."""
    return write(row.get(f"{name}_low")), write(row.get(f"{name}_high"))


def costs_to_markdown(table: pd.DataFrame) -> str:
    """What each size and method took, means over seeds."""
    rows = [[*_place(row), *_costs(row)] for row in records(table)]
    headings = [heading for heading, _ in _COSTS.values()]
    return markdown_table(("size", "method", "seeds", *headings), rows)


def runs_to_markdown(
    runs: Sequence[dict[str, Any]],
    split: str,
    adapters: Mapping[str, ScoreIntervals] | None = None,
) -> str:
    """Scores of single runs on one split.

    Args:
        runs: rows of the ledger.
        split: `test` or `validation`.
        adapters: by run id, the intervals of each saved model's own test scores.
    """
    rows: list[list[str]] = []
    for run in runs:
        row = run | ends((adapters or {}).get(run["run_id"]))
        rows.append([*_run(row), _accuracy(row, split), *_after_accuracy(row, split)])
    headings = ("size", "method", "seed", "run", "accuracy", *_AFTER_ACCURACY.values())
    return markdown_table(headings, rows)


def run_costs_to_markdown(runs: Sequence[dict[str, Any]]) -> str:
    """What single runs took; each with its `share`."""
    headings = [heading.removesuffix(" a run") for heading, _ in _COSTS.values()]
    rows = [[*_run(row), *_costs(row)] for row in runs]
    return markdown_table(("size", "method", "seed", "run", *headings), rows)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: words to the left, numbers to the right."""
    rules = [":---" if heading in _WORDY else "---:" for heading in headings]
    lines = [headings, rules, *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(text: str) -> str:
    """Text from outside on one line, with nothing in it that Markdown or HTML would act on."""
    words = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    # An underscore inside a word is only an underscore.
    return re.sub(r"[\\|*`\[]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", words)


def code(text: str) -> str:
    """Text from outside as Markdown code, to be read letter by letter."""
    words = " ".join(text.split())
    fence = "`"
    while fence in words:
        fence += "`"
    return f"{fence} {words} {fence}" if len(fence) > 1 else f"`{words}`"


def _place(row: dict[str, Any]) -> list[str]:
    return [formats.whole(row["size"]), name_of_cell(row), str(row["seeds"])]


def _run(row: dict[str, Any]) -> list[str]:
    return [formats.whole(row["size"]), name_of_cell(row), str(row["seed"]), row["run_id"]]


def _after_accuracy(row: dict[str, Any], split: str) -> list[str]:
    return [
        formats.with_ends(
            formats.three(row[f"{split}_{name}"]), *_ends(row, f"{split}_{name}", formats.three)
        )
        for name in _AFTER_ACCURACY
    ]


def _costs(row: dict[str, Any]) -> list[str]:
    # Zero epochs: the method has none.
    values = {name: row[name] or None for name in _COSTS}
    return [write(values[name]) for name, (_, write) in _COSTS.items()]
