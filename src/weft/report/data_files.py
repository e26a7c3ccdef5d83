"""The study as data for other programs: results.csv, results.json, training logs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from weft.report.calibration import COVERAGE, Cell
from weft.report.comparisons import comparison_data, equality_data
from weft.report.forecast import forecast_data
from weft.report.grid import main_settings, settings
from weft.report.intervals import LEVEL, SCORED, ends
from weft.report.rows import METRICS, SPLITS, WITHHELD, records, withheld
from weft.report.tables import COSTS, share_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    from weft.evidence.recipe import ScoreIntervals
    from weft.report.gathered import Gathered

SCHEMA_VERSION = 1

_KEY = ("run_id", "method", "variant", "size", "seed", "status", "error")
_LOG = {
    "epoch": "epoch",
    "step": "step",
    "train_loss": "train_loss",
    "running_train_accuracy": "train_accuracy",
    "validation_loss": "validation_loss",
    "validation_accuracy": "validation_accuracy",
    "learning_rate": "learning_rate",
    "seconds": "seconds",
}
"""Columns of training_log.csv, and what they are called in the ledger."""


def results_csv(runs: pd.DataFrame, adapters: Mapping[str, ScoreIntervals]) -> str:
    """A row per run; numbers as the ledger has them, to the last digit; empty where missing.

    Beside test's accuracy, F1 and loss stand the ends of the 95 % interval of this one saved
    model's own score; intervals over seeds are in results.json.
    """
    scores: list[str] = []
    for split in SPLITS:
        for name in ("examples", *METRICS):
            scores.append(f"{split}_{name}")
            if split == "test" and name in SCORED:
                scores += [f"test_{name}_low", f"test_{name}_high"]
    columns = [*_KEY, *scores, *COSTS, "folder"]
    rows = [
        run | {"share": _share(run)} | ends(adapters.get(run["run_id"])) for run in records(runs)
    ]
    return _csv(columns, ([row[name] for name in columns] for row in rows))


def training_logs(epochs: pd.DataFrame) -> dict[str, str]:
    """A training_log.csv by run id, for each run that has epochs."""
    logs: dict[str, list[list[Any]]] = {}
    for row in records(epochs):
        logs.setdefault(row["run_id"], []).append([row[name] for name in _LOG.values()])
    return {run_id: _csv(list(_LOG), lines) for run_id, lines in logs.items()}


def results_json(found: Gathered) -> str:
    """Everything in one object: schema, answer, facts, runs, and means per size and method.

    `validation` scores select the epoch and the best method; `test` scores never choose. The
    intervals in `sizes` are a recipe's, those in `runs` one saved model's own. `calibration` says
    what the probabilities are worth on test, per size and method, `threshold` from where on the
    chosen run's answers are as precise as wanted, by validation. NaN and what is missing are null.
    """
    view, own = found.view, found.adapters
    parts = {
        "schema": SCHEMA_VERSION,
        "answer": " ".join(found.answer),
        "scores_withheld": WITHHELD if withheld(view.facts) else None,
        "target": found.target,
        "test_looked_at": found.looks,
        "settings_tested": settings(view) if found.looks else 0,
        "main_settings": main_settings(view),
        "interval_level": LEVEL,
        "forecast": forecast_data(found.ahead),
        "threshold": None if found.threshold is None else asdict(found.threshold),
        "facts": view.facts,
    }
    lines = [f' "{name}": {_json(value, indent=1)}' for name, value in parts.items()]
    runs = [_run(row, own.get(row["run_id"])) for row in records(view.runs)]
    lines.append(_json_list("runs", runs))
    lines.append(_json_list("sizes", [_size(row) for row in records(found.table)]))
    lines.append(_json_list("comparisons", comparison_data(found.compared)))
    lines.append(_json_list("equality", equality_data(found.compared)))
    lines.append(_json_list("calibration", [_cell(cell) for cell in found.cells]))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _run(row: dict[str, Any], own: ScoreIntervals | None) -> dict[str, Any]:
    row = row | ends(own)
    names = ("examples", *METRICS, "confusion")
    splits = {split: {name: row[f"{split}_{name}"] for name in names} for split in SPLITS}
    splits["test"]["intervals"] = {
        name: [row[f"test_{name}_{end}"] for end in ("low", "high")] for name in SCORED
    }
    costs = {name: row[name] for name in COSTS if name != "share"}
    rest = {"share": _share(row), "folder": row["folder"], "extra": row["extra"]}
    return {name: row[name] for name in _KEY} | splits | costs | rest


def _size(row: dict[str, Any]) -> dict[str, Any]:
    ends = {"mean": "", "seed_sd": "_sd", "seed_min": "_min", "seed_max": "_max"}
    splits = {
        split: {
            metric: {name: row[f"{split}_{metric}{end}"] for name, end in ends.items()}
            for metric in METRICS
        }
        for split in SPLITS
    }
    for name in SCORED:
        splits["test"][name] |= {end: row[f"test_{name}_{end}"] for end in ("low", "high")}
    names = ("size", "method", "variant", "seeds", "chosen", "main", "interval_covers", "few_steps")
    head = {name: row[name] for name in names}
    return head | splits | {name: row[name] for name in COSTS}


def _cell(cell: Cell) -> dict[str, Any]:
    row = asdict(cell)
    for name in ("log_loss", "brier", "ece"):
        row[name] = dict(zip(("before", "after"), row[name], strict=True))
    return row | {"coverage_of_kept": COVERAGE}


def _share(run: dict[str, Any]) -> float | None:
    return None if run["total"] is None else share_of(run)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def _json_list(name: str, items: Sequence[dict[str, Any]]) -> str:
    """One item a line: long matrices stay short to scroll, and two files compare line by line."""
    lines = ",\n".join(f"  {_json(item, indent=None)}" for item in items)
    return f' "{name}": [\n{lines}\n ]' if items else f' "{name}": []'


def _json(value: Any, indent: int | None) -> str:
    text = json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False)
    return text.replace("\n", "\n ")


def _finite(value: Any) -> Any:
    """The same value with null for what JSON has no number for."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _finite(item) for key, item in items.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast("list[Any]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
