"""Texts to be labelled: a plain file with one text a line, or a column of a table."""

from __future__ import annotations

from pathlib import Path

from weft.data.columns import TEXTS, named
from weft.data.decoding import decode
from weft.data.readers import FORMATS, read_file
from weft.data.table import Table
from weft.errors import DataError


def read_texts(
    path: Path, column: str | None, pair: str | None
) -> tuple[list[str], list[str] | None]:
    """Texts of a file, and the second texts where `pair` names their column.

    A file of a table's suffix is a table; any other holds one text a line, blank lines left out.

    Raises:
        DataError: the file cannot be read, a column is missing, or a text is blank.
    """
    if path.suffix.lower() not in FORMATS:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path} cannot be read.",
                found=error.strerror,
                remedy="Check the path and its permissions.",
            ) from error
        given = [name for name in (column, pair) if name is not None]
        if given:
            raise DataError(
                f"{path} has no columns: every line of it is a text.",
                found=f"the column {given[0]!r} asked for",
                remedy="Leave out --text and --text-pair, or give the table one of the suffixes "
                f"{', '.join(FORMATS)}.",
            )
        return texts_of(decode(raw, str(path))), None
    table = read_file(path)
    if column is None:
        usual = [name for name in table.names if name.casefold() in TEXTS]
        if len(usual) != 1:
            raise DataError(
                f"{path}: no single text column is found by name.",
                found=f"columns {', '.join(map(repr, table.names))}",
                remedy="Name it with --text NAME.",
            )
        column = usual[0]
    first = _cells(table, named(table, column, "text"))
    return first, None if pair is None else _cells(table, named(table, pair, "text-pair"))


def texts_of(text: str) -> list[str]:
    """The lines that are not blank. Only CR and LF end one: U+2028 and its kin stay in a text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()]


def _cells(table: Table, column: str) -> list[str]:
    cells = list(table.column(column))
    for row, cell in enumerate(cells):
        if not isinstance(cell, str) or not cell.strip():
            raise DataError(
                f"{table.place(row)}: there is no text in column {column!r}.",
                found=repr(cell),
                remedy="Fill it in, or delete the row.",
            )
    return [str(cell) for cell in cells]
