"""Whether two studies came out the same: files byte for byte, ledger row for row."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

LEFT_OUT = {
    "epochs": {"seconds"},
    "outcomes": {"seconds", "examples_per_second", "peak_memory_bytes"},
    "extra": {"features_seconds"},
    "facts": {"sessions", "command", "versions", "machine", "date"},
    "training_log.csv": {"seconds"},
    "run.json": {"seconds", "examples_per_second", "peak_memory_bytes", "features_seconds"},
}
"""Columns, and facts, that say when, where and how fast: `docs/reliability.md` lists them."""


def rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table of the ledger, without what is left out."""
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        db.row_factory = sqlite3.Row
        found = {
            table: [dict(row) for row in db.execute(f"SELECT * FROM {table} ORDER BY {order}")]
            for table, order in (
                ("runs", "position"),
                ("epochs", "run_id, epoch"),
                ("outcomes", "run_id"),
                ("scores", "run_id, split"),
                ("facts", "key"),
            )
        }
    db.close()
    found["facts"] = [row for row in found["facts"] if row["key"] not in LEFT_OUT["facts"]]
    for table in ("epochs", "outcomes"):
        for row in found[table]:
            for column in LEFT_OUT[table]:
                del row[column]
    for row in found["outcomes"]:
        row["extra"] = _without(json.loads(row["extra"]), LEFT_OUT["extra"])
    return found


def files(folder: Path) -> dict[str, Any]:
    """Every file of every run by its name; of a log, the rows without what is left out."""
    found: dict[str, Any] = {"study.toml": (folder / "study.toml").read_bytes()}
    for path in sorted((folder / "runs").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name == "training_log.csv":
            log = list(csv.DictReader(io.StringIO(path.read_text())))
            left = LEFT_OUT["training_log.csv"]
            found[name] = [{k: v for k, v in row.items() if k not in left} for row in log]
        elif path.name == "run.json":
            found[name] = _without(json.loads(path.read_bytes()), LEFT_OUT["run.json"])
        elif path.name == ".study.json":
            found[name] = _without(json.loads(path.read_bytes()), LEFT_OUT["facts"])
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def _without(tree: Any, left: set[str]) -> Any:
    if isinstance(tree, dict):
        return {name: _without(own, left) for name, own in tree.items() if name not in left}
    return [_without(own, left) for own in tree] if isinstance(tree, list) else tree


def assert_same(one: Path, other: Path) -> None:
    """Fails with the first thing that differs."""
    ours, theirs = files(one), files(other)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    ours, theirs = rows(one), rows(other)
    for table in ours:
        assert ours[table] == theirs[table], table
