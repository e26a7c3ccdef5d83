"""The ledger's file: opened, created, checked, and its faults put into words."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from weft.errors import LedgerError, StudyError
from weft.training.durable import make_folders

SCHEMA_VERSION = 3

_APPLICATION = int.from_bytes(b"weft", "big")
"""`PRAGMA application_id`: tells a ledger from any other SQLite file."""

_PATIENCE = 30.0
"""Seconds to wait while another process writes."""

# A float may be NaN where a run diverged, and SQLite keeps NaN as NULL: so floats may be NULL.
_SCHEMA = """
CREATE TABLE facts (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE runs (
    position INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    method TEXT NOT NULL,
    size INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('planned', 'running', 'done', 'failed')),
    error TEXT,
    variant TEXT
);
CREATE TABLE epochs (
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    epoch INTEGER NOT NULL,
    step INTEGER NOT NULL,
    train_loss REAL,
    train_accuracy REAL,
    validation_loss REAL,
    validation_accuracy REAL,
    learning_rate REAL,
    seconds REAL,
    PRIMARY KEY (run_id, epoch)
);
CREATE TABLE outcomes (
    run_id TEXT PRIMARY KEY REFERENCES runs (run_id),
    trainable INTEGER NOT NULL,
    total INTEGER NOT NULL,
    epochs INTEGER NOT NULL,
    best_epoch INTEGER NOT NULL,
    seconds REAL,
    examples_per_second REAL,
    peak_memory_bytes INTEGER,
    model_bytes INTEGER,
    folder TEXT,
    extra TEXT NOT NULL
);
CREATE TABLE scores (
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    split TEXT NOT NULL CHECK (split IN ('validation', 'test')),
    examples INTEGER NOT NULL,
    loss REAL,
    accuracy REAL,
    f1 REAL,
    precision REAL,
    recall REAL,
    confusion TEXT NOT NULL,
    PRIMARY KEY (run_id, split)
);
"""

_ADDED: dict[int, dict[str, tuple[str, ...]]] = {
    2: {"outcomes": ("peak_memory_bytes INTEGER", "model_bytes INTEGER")},
    3: {"runs": ("variant TEXT",)},
}
"""Columns by the version that brought them; older ledgers get them, empty."""

_REMEDIES = {
    sqlite3.SQLITE_BUSY: "another process is writing this study: wait for it to end, or stop it",
    sqlite3.SQLITE_LOCKED: "another process is writing this study: wait for it to end, or stop it",
    sqlite3.SQLITE_CANTOPEN: "check that the folder exists and that you may read and write it",
    sqlite3.SQLITE_PERM: "check that you may read and write the file",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable, or use a copy that is",
    sqlite3.SQLITE_FULL: "free some disk space and run the same command again",
    sqlite3.SQLITE_IOERR: "check the disk (a network folder?) and run the same command again",
}
_CLOSED = {
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR),
}
_DAMAGED = (
    "run the study's command again: it rebuilds the ledger from the runs' folders; where they are "
    "older than that, restore the file from a copy, or move it away"
)


@contextmanager
def faults_of(path: Path) -> Generator[None]:
    """Turns SQLite's errors about the file into a `StudyError`; those of our own use pass."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except sqlite3.OperationalError as error:
        primary = error.sqlite_errorcode & 0xFF  # the low byte; the rest says more of the same
        kind = StudyError if primary in _REMEDIES else LedgerError
        raise kind(
            f"The ledger {path} could not be read or written.",
            found=str(error),
            remedy=_REMEDIES.get(primary, _DAMAGED),
        ) from error
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"{path} is no ledger of weft, or it is damaged.", found=str(error), remedy=_DAMAGED
        ) from error


def open_ledger(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """A checked connection in autocommit mode, for the thread that calls.

    Without `readonly`, a missing or empty file becomes a new ledger. With it, nothing is written,
    and the folder may be read-only; only what a killed process left half-written is taken back.

    Raises:
        StudyError: no ledger there, a damaged one, a newer one, or a file that cannot be opened.
    """
    if readonly and not path.is_file():
        raise StudyError(
            f"There is no study in {path.parent}.",
            found=f"no file {path.name}",
            remedy="name the folder that `weft study` wrote, or run the study first",
        )
    with faults_of(path):
        try:
            return _open(path, readonly=readonly)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
        # A process was killed in the middle of a write. Reading with the right to write takes
        # the half-written transaction back; a read-only connection is not allowed to.
        try:
            _open(path, readonly=False).close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _CLOSED:
                raise
            return _in_memory(path)
        return _open(path, readonly=True)


def _in_memory(path: Path) -> sqlite3.Connection:
    """A ledger in a read-only folder, its half-written transaction taken back in a copy."""
    with TemporaryDirectory() as folder:
        for name in (path.name, f"{path.name}-journal"):
            shutil.copy(path.with_name(name), folder)
        copy = _open(Path(folder) / path.name, readonly=False)
        memory = sqlite3.connect(":memory:", isolation_level=None)
        copy.backup(memory)
        copy.close()
    memory.row_factory = sqlite3.Row
    return memory


def _open(path: Path, *, readonly: bool) -> sqlite3.Connection:
    if not readonly:
        make_folder(path.parent)
    mode = "ro" if readonly else "rwc"
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA foreign_keys = ON")
        if not readonly:
            db.execute("PRAGMA synchronous = EXTRA")
            _create_if_new(db)
        _check(db, path)
        (_stand_in if readonly else _migrate)(db)
        if not readonly:
            # A write-ahead log would leave files beside the ledger that reading needs to write.
            db.execute("PRAGMA journal_mode = DELETE")
    except BaseException:
        db.close()
        raise
    return db


def make_folder(folder: Path) -> None:
    """Makes a study's folder where it is missing.

    Raises:
        StudyError: it cannot be made.
    """
    try:
        make_folders(folder)
    except OSError as error:
        raise StudyError(
            f"The study's folder {folder} cannot be made.",
            found=error.strerror,
            remedy="name another folder, or make this one writable",
        ) from error


@contextmanager
def transaction(db: sqlite3.Connection, kind: str = "IMMEDIATE") -> Generator[None]:
    """All that is done inside, or nothing of it."""
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # some faults end the transaction by themselves
            db.execute("ROLLBACK")
        raise


def _number(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])


def _create_if_new(db: sqlite3.Connection) -> None:
    if _number(db, "SELECT count(*) FROM sqlite_master"):
        return
    with transaction(db):
        # Again, now that no other process can create it.
        if not _number(db, "SELECT count(*) FROM sqlite_master"):
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _added_since(version: int) -> dict[str, list[str]]:
    """Columns, by table, that a ledger of that version lacks."""
    lacking: dict[str, list[str]] = {}
    for brought, tables in _ADDED.items():
        for table, columns in tables.items():
            if brought > version:
                lacking.setdefault(table, []).extend(columns)
    return lacking


def _migrate(db: sqlite3.Connection) -> None:
    """Brings an older ledger to this version, at once or not at all."""
    if _number(db, "PRAGMA user_version") == SCHEMA_VERSION:
        return
    with transaction(db):
        # Again, now that no other process can do it.
        for table, columns in _added_since(_number(db, "PRAGMA user_version")).items():
            for column in columns:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _stand_in(db: sqlite3.Connection) -> None:
    """Lets a reader see an older ledger as one of this version, without writing to it: views of
    its own connection, which come before the tables of the same name."""
    for table, columns in _added_since(_number(db, "PRAGMA user_version")).items():
        names = ", ".join(f"NULL AS {column.split()[0]}" for column in columns)
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"CREATE TEMP VIEW {table} AS SELECT *, {names} FROM main.{table}")


def _check(db: sqlite3.Connection, path: Path) -> None:
    if _number(db, "PRAGMA application_id") != _APPLICATION:
        raise StudyError(
            f"{path} is no ledger of weft.",
            found="an empty file or another program's database",
            remedy="name the folder that `weft study` wrote, or move this file away",
        )
    version = _number(db, "PRAGMA user_version")
    if version > SCHEMA_VERSION:
        raise StudyError(
            f"The ledger {path} was written by a newer weft.",
            found=f"schema version {version}, and this weft reads up to {SCHEMA_VERSION}",
            remedy="upgrade weft: pip install --upgrade weft",
        )
    result = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    if result != "ok":
        raise LedgerError(f"The ledger {path} is damaged.", found=result, remedy=_DAMAGED)
