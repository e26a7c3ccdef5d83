"""Which columns hold the text, its pair and the label: those given, else found by usual names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weft.config import DataSettings
from weft.data.table import Table
from weft.errors import DataError, brief, did_you_mean, listed

PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
    ("question", "sentence"),
    ("question", "passage"),
)
TEXTS = (
    "text", "sentence", "review", "content", "question", "comment", "tweet", "message",
    "utterance", "query", "document", "body", "description", "headline", "title",
)  # fmt: skip
LABELS = (
    "label", "labels", "category", "class", "sentiment", "intent", "target", "y",
)  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Names as the file spells them."""

    text: str
    pair: str | None
    label: str

    def note(self) -> str:
        """One sentence for the report."""
        pair = f", its pair in {self.pair!r}" if self.pair else ""
        return f"The text is in column {self.text!r}{pair}, the label in {self.label!r}."


def find_columns(table: Table, settings: DataSettings) -> Columns:
    """Finds the columns of a table.

    A text column that is given stands alone unless its pair is given too.

    Raises:
        DataError: a column is missing, repeated or one of several that could be meant; the error
            names the columns that exist.
    """
    given = [name.casefold() for name in (settings.text, settings.text_pair) if name is not None]
    if settings.label is not None:
        label = named(table, settings.label, "label")
    else:
        label = _only(table, [name for name in LABELS if name not in given], "label")
    pair = None if settings.text_pair is None else named(table, settings.text_pair, "text-pair")
    if settings.text is not None:
        text = named(table, settings.text, "text")
    else:
        text, pair = _found_texts(table, label, pair)
    used = [name for name in (text, pair, label) if name is not None]
    if len(set(used)) < len(used):
        raise DataError(
            f"{table.where}, {_header(table)}: one column cannot serve twice.",
            found=f"text {brief(text)}, pair {brief(pair)}, label {brief(label)}",
            remedy=f"Choose different ones of {listed(table.names)}.",
        )
    return Columns(text, pair, label)


def named(table: Table, name: str, role: str) -> str:
    """The table's own spelling of a column's name.

    Raises:
        DataError: the table lacks it, or has it twice.
    """
    hits = [have for have in table.names if have == name]
    hits = hits or [have for have in table.names if have.casefold() == name.casefold()]
    if len(hits) != 1:
        fault = "has no" if not hits else "has more than one"
        raise DataError(
            f"{table.where}, {_header(table)}: the file {fault} column {brief(name)} for the "
            f"{role}.",
            found=f"columns {listed(table.names)}",
            remedy=f"Name one that exists with --{role} NAME, or rename the column"
            f"{did_you_mean(name, table.names) if not hits else '.'}",
        )
    return hits[0]


def _found_texts(table: Table, label: str, pair: str | None) -> tuple[str, str | None]:
    """Text and pair by name, where the text is not given; a pair that is given stays."""
    free = {name.casefold() for name in table.names} - {label.casefold()}
    if pair is not None:
        firsts = [first for first, second in PAIRS if second == pair.casefold() and first in free]
        if len(firsts) == 1:
            return named(table, firsts[0], "text"), pair
        free.discard(pair.casefold())
        return _only(table, [name for name in TEXTS if name in free], "text"), pair
    pairs = [(first, second) for first, second in PAIRS if free.issuperset((first, second))]
    paired = {name for both in pairs for name in both}
    singles = [name for name in TEXTS if name in free - paired]
    if len(pairs) == 1 and not singles:
        first, second = pairs[0]
        return named(table, first, "text"), named(table, second, "text-pair")
    return _only(table, [*sorted(paired), *singles], "text"), None


def _only(table: Table, usual: Sequence[str], role: str) -> str:
    """The one column of a usual name."""
    hits = [name for name in table.names if name.casefold() in usual]
    if len(hits) == 1:
        return hits[0]
    if hits:
        pair = " (and --text-pair NAME for a pair)" if role == "text" else ""
        raise DataError(
            f"{table.where}, {_header(table)}: several columns could be the {role}: "
            f"{listed(hits)}.",
            found=f"columns {listed(table.names)}",
            remedy=f"Say which with --{role} NAME{pair}.",
        )
    raise DataError(
        f"{table.where}, {_header(table)}: no {role} column is found by name.",
        found=f"columns {listed(table.names)}",
        remedy=_absent(table, TEXTS if role == "text" else LABELS, role),
    )


def _absent(table: Table, usual: Sequence[str], role: str) -> str:
    if len(table.names) == 1 and (";" in table.names[0] or "\t" in table.names[0]):
        return "The fields look separated by semicolons or tabs: save CSV with commas, or as .tsv."
    return (
        f"Name it with --{role} NAME, or rename it to one of {', '.join(usual)}. "
        "If the first line is an example, put a header line above it."
    )


def _header(table: Table) -> str:
    return "line 1" if table.unit == "line" else "columns"
