"""What the report reads: a study's facts, runs and epochs of one moment, as plain rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from weft.study.ledger import Ledger
from weft.study.record import cell_name

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

METRICS = ("loss", "accuracy", "f1", "precision", "recall")
SPLITS = ("test", "validation")

WITHHELD = (
    "No scores are shown: the backbone's weights are random, not pretrained, so what comes out "
    "says nothing about the data or the method."
)

_METHODS = ("lora", "bitfit", "full", "probe", "tfidf")
_EPOCH_SCORES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


@dataclass(frozen=True)
class StudyView:
    """A study as its ledger tells it; scores are blanked where they must not be shown."""

    folder: Path
    """Where the ledger lies, and each run's predictions."""
    facts: dict[str, Any]
    runs: pd.DataFrame
    """As `Ledger.runs` gives it, by size, method, its settings and seed."""
    epochs: pd.DataFrame
    """As `Ledger.epoch_table` gives it, in the same order."""


def read(folder: Path) -> StudyView:
    """Reads a study's folder without writing to it.

    Raises:
        StudyError: the folder holds no ledger that this weft can read.
    """
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger, ledger.snapshot():
        facts, runs, epochs = ledger.facts(), ledger.runs(), ledger.epoch_table()
    if withheld(facts):
        runs, epochs = _blank(runs), _blank(epochs)
    return StudyView(folder, facts, _sorted(runs), _sorted(epochs))


def withheld(facts: dict[str, Any]) -> bool:
    """Whether the study's scores mean nothing and must not be shown."""
    return bool(facts.get("random_weights", False))


def method_rank(method: str) -> tuple[int, str]:
    """Sort key: the house's methods first, in one fixed order, then others by name."""
    return (_METHODS.index(method) if method in _METHODS else len(_METHODS), method)


def name_of_cell(row: dict[str, Any]) -> str:
    """What a row is of, its size apart: the method with its settings on the grid."""
    return cell_name(row["method"], row["variant"])


def name_in(view: StudyView, method: str) -> str:
    """As `name_of_cell`, of a method that was run with one setting in this view."""
    rows = (row for row in records(view.runs) if row["method"] == method)
    return next((name_of_cell(row) for row in rows), method)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows as dictionaries of Python values; None wherever a value is missing."""
    columns = {str(name): _plain(cast(Any, frame)[name]) for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def done(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of runs that are done."""
    return [row for row in records(frame) if row["status"] == "done"]


def main_method(rows: list[dict[str, Any]]) -> str | None:
    """The method that a study is about: lora where it ran, else the first in the house's order."""
    return min((row["method"] for row in rows), key=method_rank, default=None)


def section(facts: dict[str, Any], key: str) -> dict[str, Any]:
    """A fact that is a dictionary; empty where it is missing."""
    value = facts.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _plain(column: Any) -> list[Any]:
    """A column's values; the whole column at once, since a report asks for its rows very often."""
    values, missing = column.tolist(), column.isna().tolist()
    return [
        None if gone else value.item() if hasattr(value, "item") else value
        for value, gone in zip(values, missing, strict=True)
    ]


def _blank(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    names = {f"{split}_{metric}" for split in SPLITS for metric in (*METRICS, "confusion")}
    blanked = cast(Any, frame).copy()
    for name in (names | set(_EPOCH_SCORES)) & set(blanked.columns):
        missing = [None] * len(blanked)
        blanked[name] = pd.Series(missing, dtype=blanked[name].dtype)
    return blanked


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    rows = records(frame)
    planned = list(dict.fromkeys(row.get("variant", "") for row in rows))

    def key(place: int) -> tuple[Any, ...]:
        row = rows[place]
        rank = method_rank(row["method"])
        variant = planned.index(row.get("variant", ""))
        return (row["size"], rank, variant, row["seed"], row["run_id"], row.get("epoch", 0))

    order = sorted(range(len(rows)), key=key)
    return cast(Any, frame).iloc[order].reset_index(drop=True)
