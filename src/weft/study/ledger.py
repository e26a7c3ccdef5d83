"""The ledger: what was planned, what happened and what came out, each a transaction. No torch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from weft.evidence.scores import Scores
from weft.study.ledger_file import faults_of, open_ledger, transaction
from weft.study.record import EpochRow, Outcome, RunKey, SplitName, Status

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

_EPOCH = tuple(field.name for field in fields(EpochRow))
_SCORES = tuple(field.name for field in fields(Scores))
_OUTCOME = tuple(
    field.name for field in fields(Outcome) if field.name not in ("validation", "test")
)
_SPLITS: tuple[SplitName, ...] = ("test", "validation")
_INTEGERS = frozenset(
    ["size", "seed", "trainable", "total", "epochs", "best_epoch", "epoch", "step"]
    + ["peak_memory_bytes", "model_bytes"]
    + [f"{split}_examples" for split in _SPLITS]
)
_WORDS = frozenset(("run_id", "method", "variant", "status", "error", "folder"))
_VARIANT = "coalesce(variant, '')"  # runs that are older than grids have none
_OBJECTS = frozenset(("extra", "test_confusion", "validation_confusion"))


class Ledger:
    """A study's SQLite file. A context manager; of use only to the thread that opened it.

    What a method has written is on the disk when it returns. Readers may be open in other
    processes at the same time.

    Args:
        path: the file; made, with its folder, where it is missing and may be written.
        readonly: write nothing; the file must exist, its folder may be read-only.

    Raises:
        StudyError: here or in any method, where the file is no ledger, damaged, newer than this
            weft, held by another process, or cannot be written.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._db = open_ledger(path, readonly=readonly)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        self._db.close()

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """All that is read inside is of one moment, whatever a running study writes meanwhile.

        A writer waits for it to end: read, and leave.
        """
        if self._db.in_transaction:
            yield
            return
        with self._transaction("DEFERRED"):
            yield

    @contextmanager
    def together(self) -> Generator[None]:
        """All that is written inside is there, or nothing of it."""
        with self._transaction():
            yield

    # What is true of the whole study

    def set_facts(self, facts: dict[str, Any]) -> None:
        """Writes these facts, JSON values by key; others stay as they are."""
        rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in facts.items()]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", rows)

    def facts(self) -> dict[str, Any]:
        """All facts by key, keys in order of the alphabet."""
        rows = self._read("SELECT key, value FROM facts ORDER BY key")
        return {row["key"]: json.loads(row["value"]) for row in rows}

    def drop_fact(self, key: str) -> None:
        """Removes a fact, if it is there."""
        with self._transaction():
            self._db.execute("DELETE FROM facts WHERE key = ?", (key,))

    # What happens, in the order in which it happens to a run

    def plan(self, keys: Iterable[RunKey]) -> None:
        """Adds those runs that are not yet there, as planned, in this order.

        One that is there keeps all but the name of its settings, which the grid gives it.
        """
        rows = [(key.run_id, key.method, key.size, key.seed, key.variant) for key in keys]
        with self._transaction():
            self._db.executemany(
                "INSERT INTO runs (run_id, method, size, seed, variant, status) "
                "VALUES (?, ?, ?, ?, ?, 'planned') "
                "ON CONFLICT (run_id) DO UPDATE SET variant = excluded.variant",
                rows,
            )

    def start(self, run_id: str) -> None:
        """The run begins; what an earlier unfinished try left is dropped."""
        with self._transaction():
            self._set_status(run_id, "running")
            self._db.execute("DELETE FROM epochs WHERE run_id = ?", (run_id,))

    def epoch(self, run_id: str, row: EpochRow) -> None:
        """An epoch of a run has ended."""
        with self._transaction():
            self._insert("epochs", ("run_id", *_EPOCH), (run_id, *astuple(row)))

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """The run is done: its outcome and both splits' scores."""
        with self._transaction():
            self._set_status(run_id, "done")
            values = [getattr(outcome, name) for name in _OUTCOME if name != "extra"]
            extra = json.dumps(outcome.extra, ensure_ascii=False)
            self._insert("outcomes", ("run_id", *_OUTCOME), (run_id, *values, extra))
            for split in _SPLITS:
                scores: Scores = getattr(outcome, split)
                values = [getattr(scores, name) for name in _SCORES if name != "confusion"]
                confusion = json.dumps(scores.confusion)
                self._insert(
                    "scores", ("run_id", "split", *_SCORES), (run_id, split, *values, confusion)
                )

    def fail(self, run_id: str, error: str) -> None:
        """The run cannot go on; its epochs stay, for the reader to see how far it came."""
        with self._transaction():
            self._set_status(run_id, "failed", error)

    def go_back(self, stood: Mapping[str, int | None]) -> None:
        """Withdraws all that these runs did after they stood where they are now said to stand.

        Args:
            stood: by run, the steps that it had taken; None: it had not begun.
        """
        with self._transaction():
            for run_id, step in stood.items():
                for table in ("outcomes", "scores"):
                    self._db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
                self._db.execute(
                    "DELETE FROM epochs WHERE run_id = ? AND step > ?", (run_id, step or 0)
                )
                self._db.execute(
                    "UPDATE runs SET status = ?, error = NULL WHERE run_id = ?",
                    ("planned" if step is None else "running", run_id),
                )

    def forget(self) -> None:
        """Makes a ledger of which no run has begun as good as new."""
        with self._transaction():
            assert set(self.statuses().values()) <= {"planned"}, "a run has begun"
            self._db.execute("DELETE FROM runs")
            self._db.execute("DELETE FROM facts")

    # What is known

    def keys(self) -> list[RunKey]:
        """All runs, in the order in which they were planned."""
        rows = self._read(
            f"SELECT run_id, method, size, seed, {_VARIANT} FROM runs ORDER BY position"
        )
        return [RunKey(*row) for row in rows]

    def statuses(self) -> dict[str, Status]:
        """The status of every run by its id."""
        rows = self._read("SELECT run_id, status FROM runs ORDER BY position")
        return {row["run_id"]: cast(Status, row["status"]) for row in rows}

    def epochs(self, run_id: str) -> list[EpochRow]:
        """The epochs of one run, in order; of a run's last try."""
        sql = f"SELECT {', '.join(_EPOCH)} FROM epochs WHERE run_id = ? ORDER BY epoch"
        return [EpochRow(*map(_nan_if_null, row)) for row in self._read(sql, run_id)]

    def outcome(self, run_id: str) -> Outcome | None:
        """What came out of one run; None while it is not done."""
        with self.snapshot():
            sql = f"SELECT {', '.join(_OUTCOME)} FROM outcomes WHERE run_id = ?"
            found = self._read(sql, run_id)
            if not found:
                return None
            values: dict[str, Any] = dict(found[0])
            values["extra"] = json.loads(values["extra"])
            for name in ("seconds", "examples_per_second"):
                values[name] = _nan_if_null(values[name])
            for row in self._read("SELECT * FROM scores WHERE run_id = ?", run_id):
                numbers = {name: _nan_if_null(row[name]) for name in _SCORES}
                numbers["confusion"] = _matrix(row["confusion"])
                values[row["split"]] = Scores(**numbers)
        return Outcome(**values)

    def runs(self) -> pd.DataFrame:
        """A row per run, in the order of planning.

        Columns: run_id, method, size, seed, variant, status, error; those of `Outcome`; those of
        `Scores` as `test_*` and `validation_*`. Missing until the run is done.
        """
        columns = ["r.run_id", "r.method", "r.size", "r.seed", f"{_VARIANT} AS variant"]
        columns += ["r.status", "r.error"]
        columns += [f"o.{name}" for name in _OUTCOME]
        columns += [f"{split}.{name} AS {split}_{name}" for split in _SPLITS for name in _SCORES]
        joins = " ".join(
            f"LEFT JOIN scores AS {split} ON {split}.split = '{split}' "
            f"AND {split}.run_id = r.run_id"
            for split in _SPLITS
        )
        return self._frame(
            f"SELECT {', '.join(columns)} FROM runs AS r "
            f"LEFT JOIN outcomes AS o ON o.run_id = r.run_id {joins} ORDER BY r.position"
        )

    def epoch_table(self) -> pd.DataFrame:
        """A row per run and epoch: run_id, method, size, seed, status; those of `EpochRow`."""
        columns = ", ".join(f"e.{name}" for name in _EPOCH)
        return self._frame(
            f"SELECT r.run_id, r.method, r.size, r.seed, r.status, {columns} "
            "FROM epochs AS e JOIN runs AS r ON r.run_id = e.run_id ORDER BY r.position, e.epoch"
        )

    # Below: how it is done

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Generator[None]:
        if self._db.in_transaction:  # of `together`: what fails here fails there
            yield
            return
        with faults_of(self.path), transaction(self._db, kind):
            yield

    def _set_status(self, run_id: str, status: Status, error: str | None = None) -> None:
        changed = self._db.execute(
            "UPDATE runs SET status = ?, error = ? WHERE run_id = ? AND status <> 'done'",
            (status, error, run_id),
        ).rowcount
        assert changed == 1, f"run {run_id} was not planned or is done, so it cannot be {status}"

    def _insert(self, table: str, columns: tuple[str, ...], values: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * len(columns))
        self._db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)

    def _read(self, sql: str, *values: str) -> list[sqlite3.Row]:
        with faults_of(self.path):
            return self._db.execute(sql, values).fetchall()

    def _frame(self, sql: str) -> pd.DataFrame:
        import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

        with faults_of(self.path):
            cursor = self._db.execute(sql)
            names = [str(column[0]) for column in cursor.description]
            rows = cursor.fetchall()
        columns: dict[str, Any] = {}
        for place, name in enumerate(names):
            values = [row[place] for row in rows]
            if name in _OBJECTS:
                parse = _matrix if name.endswith("confusion") else json.loads
                values = [None if value is None else parse(value) for value in values]
            columns[name] = pd.Series(values, dtype=_kind(name))
        return pd.DataFrame(columns)


def _kind(name: str) -> Any:
    if name in _INTEGERS:
        return "Int64"  # pandas' integers that may be missing
    return object if name in _WORDS | _OBJECTS else "float64"


def _nan_if_null(value: Any) -> Any:
    return float("nan") if value is None else value


def _matrix(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in json.loads(text))
