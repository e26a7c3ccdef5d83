"""A table as it was read: named columns, and for every row the place to name in an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Table:
    """One file or one split of a hub set, its cells raw: strings in CSV and TSV, else any value."""

    where: str
    """The file's path, or the hub's name and split, as errors show it."""
    names: tuple[str, ...]
    """Columns in the order of the file."""
    column: Callable[[str], Iterable[object]]
    """All cells of a column, one after the other; read when asked for, because many are never
    needed."""
    positions: Sequence[int]
    """1-based physical line on which each row begins, or its 1-based row number."""
    unit: Literal["line", "row"] = "line"
    sha256: str | None = None
    """Of the file's bytes; None for a hub set."""
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Class names in their own order, for columns whose type carries them."""

    def __len__(self) -> int:
        return len(self.positions)

    def place(self, row: int) -> str:
        """Where a row (counted from 0) stands, e.g. `reviews.csv, line 7`."""
        return f"{self.where}, {self.unit} {self.positions[row]}"
