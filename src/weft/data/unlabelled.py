"""Texts to be labelled: a plain file with one text a line, or a column of a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.data.columns import TEXTS, named
from weft.data.content import Content, spooled
from weft.data.decoding import without_end
from weft.data.given import encodable
from weft.data.readers import FORMATS, read_file
from weft.data.table import Table
from weft.errors import DataError, brief, listed


@dataclass(frozen=True)
class Texts:
    """Texts that were checked, read anew each time they are asked for, so that none are kept."""

    firsts: Callable[[], Iterator[str]]
    seconds: Callable[[], Iterator[str]] | None = None
    """Second texts, where they are pairs."""

    def batches(self, size: int) -> Iterator[tuple[list[str], list[str] | None]]:
        """Texts and second texts, at most `size` at a time; none at all are no batch."""
        firsts = self.firsts()
        seconds = None if self.seconds is None else self.seconds()
        while batch := list(itertools.islice(firsts, size)):
            yield batch, None if seconds is None else list(itertools.islice(seconds, size))


def read_texts(path: Path, column: str | None, pair: str | None) -> Texts:
    """Texts of a file, and the second texts where `pair` names their column.

    A file of a table's suffix is a table; any other holds one text a line, blank lines left out.

    Raises:
        DataError: the file cannot be read, a column is missing, or a text is blank.
    """
    if path.suffix.lower() not in FORMATS:
        given = [name for name in (column, pair) if name is not None]
        if given:
            raise DataError(
                f"{path} has no columns: every line of it is a text.",
                found=f"the column {given[0]!r} asked for",
                remedy="Leave out --text and --text-pair, or give the table one of the suffixes "
                f"{', '.join(FORMATS)}.",
            )
        try:
            with path.open("rb") as file:  # which may be a pipe
                return lines_in(spooled(file, str(path)))
        except OSError as error:
            raise DataError(
                f"{path} cannot be read.",
                found=error.strerror or str(error),
                remedy="Check the path and its permissions.",
            ) from error
    table = read_file(path)
    if column is None:
        usual = [name for name in table.names if name.casefold() in TEXTS]
        if len(usual) != 1:
            raise DataError(
                f"{path}: no single text column is found by name.",
                found=f"columns {listed(table.names)}",
                remedy="Name it with --text NAME.",
            )
        column = usual[0]
    first = _checked(table, named(table, column, "text"))
    return Texts(first, None if pair is None else _checked(table, named(table, pair, "text-pair")))


def lines_in(content: Content) -> Texts:
    """The lines that are not blank.

    Raises:
        DataError: they are not UTF-8, or hold NUL bytes.
    """

    def firsts() -> Iterator[str]:
        return (without_end(line) for line in content.lines() if line.strip())

    for _ in firsts():
        pass  # a fault far down is told before anything is labelled
    return Texts(firsts)


def _checked(table: Table, column: str) -> Callable[[], Iterator[str]]:
    for row, cell in enumerate(table.column(column)):
        if not isinstance(cell, str) or not cell.strip() or not encodable(cell):
            raise DataError(
                f"{table.place(row)}: there is no text that can be read in column {column!r}.",
                found=brief(cell),
                remedy="Fill it in, or delete the row.",
            )
    return lambda: (str(cell) for cell in table.column(column))
