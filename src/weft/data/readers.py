"""File formats: a file becomes a table, or an error that names the line.

CSV is quoted as RFC 4180 says, with line breaks allowed inside quotes; TSV is never quoted, as GLUE
writes it; JSON Lines holds one object a line; Parquet counts rows, having no lines.

A file is read from end to end once to check every line, and once more for each column that is asked
for. Nothing of it is kept but the line numbers, so that its size is no matter.
"""

from __future__ import annotations

import csv
import json
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

from weft.data.content import Content, content_in, content_of
from weft.data.decoding import LONGEST, without_end
from weft.data.parquet import parquet_table
from weft.data.table import Table
from weft.errors import DataError

FORMATS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz", ".7z")
_CSV_LIMIT = threading.Lock()  # the csv module has one limit for the whole process

_Rows = Callable[[Content], Iterator[tuple[int, list[str]]]]
"""First physical line and cells of each record; an empty line has no cells."""


def read_file(path: Path) -> Table:
    """Reads a file by its suffix.

    Raises:
        DataError: the file cannot be opened, has no known suffix, or is not what its suffix says.
    """
    suffix = _known(path.suffix.lower(), str(path))
    return _table(content_of(path), suffix)


def read_bytes(raw: bytes, suffix: str, where: str) -> Table:
    """Reads the bytes of a file; `suffix` is one of `FORMATS`, `where` names it in errors."""
    return _table(content_in(raw, where), _known(suffix, where))


def _known(suffix: str, where: str) -> str:
    if suffix in FORMATS:
        return suffix
    unpack = "Unpack it, and give what comes out" if suffix in _PACKED else "Save it"
    raise DataError(
        f"{where} has no format that weft reads.",
        found=f"suffix {suffix!r}",
        remedy=f"{unpack} as one of {', '.join(FORMATS)}.",
    )


def _table(content: Content, suffix: str) -> Table:
    if suffix == ".parquet":
        return parquet_table(content)
    if suffix in (".jsonl", ".json"):
        return _json_lines(content)
    return _delimited(content, _tsv_rows if suffix == ".tsv" else _csv_rows)


# ---- CSV and TSV


def _csv_rows(content: Content) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(content.lines(), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            with _CSV_LIMIT:
                before = csv.field_size_limit(LONGEST)
                try:
                    cells = next(reader, None)
                finally:
                    csv.field_size_limit(before)
        except csv.Error as error:
            raise DataError(
                f"{content.where}, line {line}: the record that begins here is not valid CSV.",
                found=str(error),
                remedy='Close every quoted field, write a quotation mark inside one as "", and '
                f"keep each field below {LONGEST:,} characters.",
            ) from error
        if cells is None:
            return
        yield line, cells


def _tsv_rows(content: Content) -> Iterator[tuple[int, list[str]]]:
    """Quotation marks are text like any other."""
    for line, ended in enumerate(content.lines(), start=1):
        text = without_end(ended)
        yield line, text.split("\t") if text else []


def _delimited(content: Content, rows: _Rows) -> Table:
    header: tuple[str, ...] | None = None
    positions = array("q")
    for line, cells in _without_last_blanks(rows(content)):
        if header is None:
            header = tuple(name.strip() for name in cells)
        else:
            positions.append(line)
        if len(cells) != len(header) or not cells:
            raise DataError(
                f"{content.where}, line {line}: {_fields(len(cells))} where the header has "
                f"{len(header)}.",
                found=_shown(cells),
                remedy="Delete the line or give it the header's fields; in CSV, quote a text that "
                "holds commas or line breaks.",
            )
    if header is None:
        raise _empty(content.where)
    names = header

    def column(name: str) -> Iterator[object]:
        at = names.index(name)
        body = (cells for _, cells in rows(content) if cells)
        next(body)
        return (cells[at] for cells in body)

    return Table(content.where, names, column, positions, sha256=content.sha256)


def _without_last_blanks(
    rows: Iterable[tuple[int, list[str]]],
) -> Iterator[tuple[int, list[str]]]:
    """The rows up to the last that has cells."""
    blank: tuple[int, list[str]] | None = None
    for row in rows:
        if not row[1]:
            blank = blank or row
        elif blank is not None:
            yield blank  # which is refused, so that no more of them are asked for
        else:
            yield row


def _shown(cells: list[str]) -> str:
    return " | ".join(cell[:120] for cell in cells[:120])[:120] or "an empty line"


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


# ---- JSON Lines


def _json_lines(content: Content) -> Table:
    names: dict[str, None] = {}
    positions = array("q")
    for line, row in _objects(content):
        names |= dict.fromkeys(row)
        positions.append(line)
    if not positions:
        raise _empty(content.where)

    def column(name: str) -> Iterator[object]:
        return (row.get(name) for _, row in _objects(content))

    return Table(content.where, tuple(names), column, positions, sha256=content.sha256)


def _objects(content: Content) -> Iterator[tuple[int, dict[str, object]]]:
    """Physical line and object of each line, up to the last that is not blank."""
    blank: int | None = None
    for line, text in enumerate(content.lines(), start=1):
        if text.isspace():
            blank = blank or line
            continue
        yield line, _object(text if blank is None else "", blank or line, content.where)


def _object(text: str, line: int, where: str) -> dict[str, object]:
    try:
        row: object = json.loads(text, object_pairs_hook=_once_each)
    except _TwiceError as error:
        raise DataError(
            f"{where}, line {line}: the object has the key {str(error)[:60]!r} twice.",
            remedy="Keep one of the two.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where}, line {line}: not valid JSON.",
            found=without_end(text)[:80] or "an empty line",
            remedy="Write JSON Lines: one whole object on each line.",
        ) from error
    if not isinstance(row, dict):
        raise DataError(
            f"{where}, line {line}: not a JSON object.",
            found=type(row).__name__,
            remedy='Write JSON Lines: {"text": ..., "label": ...} on each line.',
        )
    return cast("dict[str, object]", row)


class _TwiceError(Exception):
    """An object names a key twice, of which JSON's readers would drop one in silence."""


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        raise _TwiceError(next(key for key, _ in pairs if key in seen or seen.add(key)))
    return found


def _empty(where: str) -> DataError:
    return DataError(
        f"{where} is empty.",
        remedy="Give it a header line with a text and a label column, and one example a line.",
    )
