"""Parquet, read batch by batch; what the library cannot read is told in words."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from weft.data.content import Content
from weft.data.table import Table
from weft.errors import DataError

_BATCH = 1024  # rows that are decoded at once


def parquet_table(content: Content) -> Table:
    """The table of a Parquet file; its cells are read, and checked, when a column is asked for.

    Raises:
        DataError: it is none that can be read.
    """
    with content.opened() as file:
        opened = _open(file, content.where)
        names = tuple(str(name) for name in opened.schema_arrow.names)
        rows = int(opened.metadata.num_rows)

    def column(name: str) -> Iterator[object]:
        with content.opened() as file:
            yield from _cells(_open(file, content.where), name, rows, content.where)

    return Table(
        content.where, names, column, range(1, rows + 1), unit="row", sha256=content.sha256
    )


def _open(file: BinaryIO, where: str) -> Any:
    # Imported here: 0.1 s that no other format needs.
    parquet: Any = importlib.import_module("pyarrow.parquet")
    try:
        return parquet.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
    except Exception as error:  # whatever a damaged file brings the library to
        raise _damaged(where, error) from error


def _cells(opened: Any, name: str, rows: int, where: str) -> Iterator[object]:
    """All cells of a column, in order.

    Raises:
        DataError: a page cannot be decoded, or there are not as many cells as rows.
    """
    seen = 0
    try:
        for batch in opened.iter_batches(batch_size=_BATCH, columns=[name], use_threads=False):
            # not the first: a column called `a` brings those called `a.b` with it
            cells = batch.column(batch.schema.get_field_index(name)).to_pylist()
            seen += len(cells)
            yield from cells
    except Exception as error:
        raise _damaged(f"{where}, from row {seen + 1}:", error) from error
    if seen != rows:
        raise _damaged(where, f"{seen:,} rows in column {name!r}, {rows:,} by its own account")


def _damaged(where: str, error: object) -> DataError:
    return DataError(
        f"{where} is not a Parquet file that can be read.",
        found=(str(error).splitlines() or [type(error).__name__])[0][:200],
        remedy="Write it again, for example with pandas' to_parquet.",
    )
