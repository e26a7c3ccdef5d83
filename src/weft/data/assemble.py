"""From raw tables to a checked data set: columns, texts, labels, and which split tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from weft.config import DataSettings
from weft.data.columns import Columns, find_columns, named
from weft.data.cutting import cut_three
from weft.data.examples import Examples, LabelledText
from weft.data.given import encodable
from weft.data.labels import (
    choose_positive,
    class_order,
    is_unlabelled,
    read_names,
    refuse_lookalikes,
)
from weft.data.roles import Role
from weft.data.table import Table
from weft.errors import DataError, brief, did_you_mean, listed


def assemble(
    name: str,
    tables: Mapping[Role, Table],
    settings: DataSettings,
    origin: str,
    rename: Mapping[str, str] | None = None,
) -> LabelledText:
    """Checks every row and puts the splits in their places.

    Args:
        name: safe as a folder name; the draw of a split depends on it.
        tables: `train`, and what else there is.
        settings: columns and positive class, where given.
        origin: one sentence for the report.
        rename: class names for codes.

    Raises:
        DataError: a row or a split cannot be used; names file, line and remedy.
    """
    train = tables["train"]
    columns = find_columns(train, settings)
    notes = [columns.note()]
    tables = dict(tables)
    if "test" in tables and is_unlabelled(tables["test"], columns.label):
        notes.append(f"{tables.pop('test').where} has no labels and is not used.")
    names = {role: _names(table, columns, rename or {}) for role, table in tables.items()}
    refuse_lookalikes(names["train"], train)
    own = train.class_names.get(columns.label)
    label_names = class_order(names["train"], own)
    if len(label_names) < 2:
        raise DataError(
            f"{train.where}: every example has the same label.",
            found=f"{len(train):,} times the label {brief(names['train'][0])}",
            remedy="Give examples of at least two classes, or choose another label column with "
            "--label NAME.",
        )
    splits = {
        role: _examples(table, columns, names[role], label_names) for role, table in tables.items()
    }
    positive, note = choose_positive(label_names, settings.positive, train.where)
    notes += [] if note is None else [note]
    hashes = {
        _short(role, table): table.sha256 or digest(splits[role], label_names)
        for role, table in tables.items()
    }
    validation = splits.get("validation")
    test = splits.get("test")
    learn = splits["train"]
    if test is None and validation is not None:
        test, validation = validation, None
        notes.append(f"{tables['validation'].where} is the test set; validation comes from train.")
    elif test is None:
        learn, validation, test, note = cut_three(learn, name, train.where)
        notes.append(note)
    elif validation is None:
        notes.append("The data bring no validation split; it comes from train.")
    return LabelledText(
        name, label_names, positive, learn, validation, test, origin, hashes, tuple(notes)
    )


def digest(examples: Examples, label_names: Sequence[str]) -> str:
    """sha256 of texts and label names in their order, each ended by a NUL, which no text holds."""
    sha = hashlib.sha256()
    names = [label_names[int(label)] for label in examples.labels]
    columns: list[Sequence[str]] = [examples.texts, examples.pairs or (), names]
    for cells in columns:
        for cell in cells:
            sha.update(cell.encode() + b"\0")
        sha.update(b"\0")
    return sha.hexdigest()


def _short(role: Role, table: Table) -> str:
    return Path(table.where).name if table.sha256 else role


def _names(table: Table, columns: Columns, rename: Mapping[str, str]) -> list[str]:
    if not len(table):
        raise DataError(
            f"{table.where} holds no examples.",
            found=f"only the columns {listed(table.names)}",
            remedy="Add examples, or remove the split if it is not needed.",
        )
    return read_names(table, named(table, columns.label, "label"), rename)


def _examples(
    table: Table, columns: Columns, names: list[str], label_names: tuple[str, ...]
) -> Examples:
    texts = _texts(table, named(table, columns.text, "text"))
    pairs = None if columns.pair is None else _texts(table, named(table, columns.pair, "text-pair"))
    index = {name: i for i, name in enumerate(label_names)}
    for row, name in enumerate(names):
        if name not in index:
            raise DataError(
                f"{table.place(row)}: the label {brief(name)} does not occur in train.",
                found=f"train's labels {listed(label_names)}",
                remedy="Correct the label, delete the example, or add examples of the class to "
                f"train{did_you_mean(name, label_names) or '.'}",
            )
    labels = np.array([index[name] for name in names], np.int64)
    return Examples(texts, pairs, labels, np.array(table.positions, np.int64))


def _texts(table: Table, column: str) -> tuple[str, ...]:
    """Stripped of blanks at both ends, as GLUE's sentences need and no text misses."""
    texts: list[str] = []
    for row, cell in enumerate(table.column(column)):
        fault = _fault(cell)
        if fault is not None:
            raise DataError(
                f"{table.place(row)}: the text in column {column!r} {fault}.",
                remedy=f"Write a text there or delete the {table.unit}.",
            )
        texts.append(str(cell).strip())
    return tuple(texts)


def _fault(cell: object) -> str | None:
    if cell is None or cell != cell:
        return "is missing"
    if not isinstance(cell, str):
        return f"is not a string but {type(cell).__name__}"
    if not cell.strip():
        return "is blank"
    if "\0" in cell:
        return "holds a NUL character"
    return None if encodable(cell) else "holds half of a surrogate pair, a sign of broken encoding"
