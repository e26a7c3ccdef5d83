"""Tables in Markdown: scores and costs, of sizes and of single runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft.report import formats
from weft.report.rows import records
from weft.report.tables import spread_of

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

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
_WORDY = frozenset(("method", "run", "status", "note"))


def to_markdown(table: pd.DataFrame, split: str = "test") -> str:
    """A summary's scores on one split (`test` or `validation`)."""
    rows = [
        [
            *_place(row),
            formats.percent(row[f"{split}_accuracy"]),
            spread_of(row, f"{split}_accuracy"),
            *_after_accuracy(row, split),
        ]
        for row in records(table)
    ]
    headings = ("size", "method", "seeds", "accuracy", "seed spread, points")
    return markdown_table((*headings, *_AFTER_ACCURACY.values()), rows)


def costs_to_markdown(table: pd.DataFrame) -> str:
    """What each size and method took, means over seeds."""
    rows = [[*_place(row), *_costs(row)] for row in records(table)]
    headings = [heading for heading, _ in _COSTS.values()]
    return markdown_table(("size", "method", "seeds", *headings), rows)


def runs_to_markdown(runs: Sequence[dict[str, Any]], split: str) -> str:
    """Scores of single runs on one split."""
    rows = [
        [*_run(row), formats.percent(row[f"{split}_accuracy"]), *_after_accuracy(row, split)]
        for row in runs
    ]
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
    return re.sub(r"[\\|*`\[]|(?<!\w)_|_(?!\w)", r"\\\g<0>", words)


def code(text: str) -> str:
    """Text from outside as Markdown code, to be read letter by letter."""
    words = " ".join(text.split())
    fence = "`"
    while fence in words:
        fence += "`"
    return f"{fence} {words} {fence}" if len(fence) > 1 else f"`{words}`"


def _place(row: dict[str, Any]) -> list[str]:
    return [formats.whole(row["size"]), row["method"], str(row["seeds"])]


def _run(row: dict[str, Any]) -> list[str]:
    return [formats.whole(row["size"]), row["method"], str(row["seed"]), row["run_id"]]


def _after_accuracy(row: dict[str, Any], split: str) -> list[str]:
    return [formats.three(row[f"{split}_{name}"]) for name in _AFTER_ACCURACY]


def _costs(row: dict[str, Any]) -> list[str]:
    # Zero epochs: the method has none.
    values = {name: row[name] or None for name in _COSTS}
    return [write(values[name]) for name, (_, write) in _COSTS.items()]
