"""File formats: bytes become a table, or an error that names the line.

CSV is quoted as RFC 4180 says, with line breaks allowed inside quotes; TSV is never quoted, as GLUE
writes it; JSON Lines holds one object a line; Parquet counts rows, having no lines.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from weft.data.decoding import decode
from weft.data.table import Table
from weft.errors import DataError

FORMATS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


def read_file(path: Path) -> Table:
    """Reads a file by its suffix.

    Raises:
        DataError: the file cannot be opened, has no known suffix, or is not what its suffix says.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read.",
            found=error.strerror or str(error),
            remedy="Check the path and its permissions.",
        ) from error
    return read_bytes(raw, path.suffix.lower(), str(path))


def read_bytes(raw: bytes, suffix: str, where: str) -> Table:
    """Reads the bytes of a file; `suffix` is one of `FORMATS`, `where` names it in errors."""
    if suffix not in FORMATS:
        raise DataError(
            f"{where} has no format that weft reads.",
            found=f"suffix {suffix!r}",
            remedy=f"Save it as one of {', '.join(FORMATS)}.",
        )
    sha256 = hashlib.sha256(raw).hexdigest()
    if suffix == ".parquet":
        return _parquet(raw, where, sha256)
    text = decode(raw, where)
    if suffix in (".jsonl", ".json"):
        return _json_lines(text, where, sha256)
    rows = _tsv_rows(text) if suffix == ".tsv" else _csv_rows(text, where)
    return _delimited(rows, where, sha256)


def _csv_rows(text: str, where: str) -> list[tuple[int, list[str]]]:
    """(first physical line, cells) of each record."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{where}, line {line}: the record that begins here is not valid CSV.",
                found=str(error),
                remedy='Close every quoted field, write a quotation mark inside one as "", and '
                "keep each field below 131,072 characters.",
            ) from error
        if cells is None:
            return rows
        rows.append((line, cells))


def _tsv_rows(text: str) -> list[tuple[int, list[str]]]:
    """(physical line, cells) of each line; quotation marks are text like any other."""
    return [
        (line, content.split("\t") if content else [])
        for line, content in enumerate(_lines(text), start=1)
    ]


def _lines(text: str) -> list[str]:
    """Lines without their ends. Only CR and LF end one: U+2028 and its kin stay in the text."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _delimited(rows: list[tuple[int, list[str]]], where: str, sha256: str) -> Table:
    while rows and not rows[-1][1]:
        rows.pop()
    if not rows:
        raise _empty(where)
    header = tuple(name.strip() for name in rows[0][1])
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{where}, line {line}: {_fields(len(cells))} where the header has {len(header)}.",
                found=" | ".join(cells)[:120] or "an empty line",
                remedy="Delete the line or give it the header's fields; in CSV, quote a text that "
                "holds commas or line breaks.",
            )
    body = rows[1:]

    def column(name: str) -> Sequence[object]:
        at = header.index(name)
        return [cells[at] for _, cells in body]

    return Table(where, header, column, [line for line, _ in body], sha256=sha256)


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _json_lines(text: str, where: str, sha256: str) -> Table:
    rows: list[dict[str, object]] = []
    positions: list[int] = []
    lines = _lines(text)
    while lines and not lines[-1].strip():
        lines.pop()
    for line, content in enumerate(lines, start=1):
        try:
            row: object = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{where}, line {line}: not valid JSON.",
                found=content[:80] or "an empty line",
                remedy="Write JSON Lines: one whole object on each line.",
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{where}, line {line}: not a JSON object.",
                found=type(row).__name__,
                remedy='Write JSON Lines: {"text": ..., "label": ...} on each line.',
            )
        rows.append(cast(dict[str, object], row))
        positions.append(line)
    if not rows:
        raise _empty(where)
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(
        where, names, lambda name: [row.get(name) for row in rows], positions, sha256=sha256
    )


def _parquet(raw: bytes, where: str, sha256: str) -> Table:
    # Imported here: 0.1 s that no other format needs.
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    try:
        file: Any = parquet.ParquetFile(arrow.BufferReader(raw))
    except (arrow.ArrowException, OSError) as error:
        raise DataError(
            f"{where} is not a Parquet file that can be read.",
            found=(str(error).splitlines() or [""])[0],
            remedy="Write it again, for example with pandas' to_parquet.",
        ) from error
    rows = int(file.metadata.num_rows)

    def column(name: str) -> Sequence[object]:
        return cast(Sequence[object], file.read(columns=[name]).column(0).to_pylist())

    names = tuple(str(name) for name in file.schema_arrow.names)
    return Table(where, names, column, range(1, rows + 1), unit="row", sha256=sha256)


def _empty(where: str) -> DataError:
    return DataError(
        f"{where} is empty.",
        remedy="Give it a header line with a text and a label column, and one example a line.",
    )
