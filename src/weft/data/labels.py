"""Labels: cells become class names, names become indices, and one of two is the positive class."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from weft.data.columns import LABELS
from weft.data.table import Table
from weft.errors import DataError, brief, did_you_mean, listed

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_WHOLE = re.compile(r"-?[0-9]+\.0")
_NEGATED = re.compile(r"(?:not|non|no|un|in|ir|im|dis)[ _-]?(.+)")
POSITIVE = (
    "positive", "pos", "yes", "y", "true", "t", "good", "spam", "fraud", "toxic", "harmful", "hate",
    "hateful", "offensive", "relevant", "acceptable", "duplicate", "paraphrase", "equivalent",
    "ironic", "sarcastic",
)  # fmt: skip


def name_of(cell: object) -> str | None:
    """The class name of a cell; None where there is none. Raises ValueError for no label at all."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if cell != cell:
            return None
        if not cell.is_integer():
            raise ValueError("a fraction")
        return str(int(cell))
    if isinstance(cell, int):
        return str(cell)
    if cell is None:
        return None
    if isinstance(cell, str):
        return cell.strip() or None
    raise ValueError(type(cell).__name__)


def read_names(table: Table, column: str, rename: Mapping[str, str]) -> list[str]:
    """Class names of all rows; `rename` gives names to codes, such as 0 and 1 of SST-2.

    Raises:
        DataError: a label is missing, is neither a string nor an integer, or is of another kind
            than those above it.
    """
    names: list[str] = []
    kinds: dict[str, int] = {}  # and the row where each was met first
    for row, cell in enumerate(table.column(column)):
        try:
            name = name_of(cell)
        except ValueError as error:
            raise DataError(
                f"{table.place(row)}: the label is neither a string nor an integer.",
                found=f"{brief(cell)} ({error})",
                remedy="Classes need names or whole numbers; choose another column with --label "
                "NAME if this one holds scores or lists.",
            ) from error
        if name is None:
            raise DataError(
                f"{table.place(row)}: the label in column {column!r} is missing.",
                remedy=f"Write a label there or delete the {table.unit}.",
            )
        kinds.setdefault(_kind(cell), row)
        if len(kinds) > 1:
            (first, above), (second, _) = kinds.items()
            raise DataError(
                f"{table.place(row)}: the label is a {second}, but a {first} in "
                f"{table.unit} {table.positions[above]}.",
                found=f"{brief(cell)} in column {column!r}",
                remedy="Write all labels of the column in one way, for example all as strings.",
            )
        if not printable(name):
            raise DataError(
                f"{table.place(row)}: the label in column {column!r} holds a character that no "
                "name can have.",
                found=ascii(name)[:80],
                remedy="Remove line breaks, control characters and halves of surrogate pairs.",
            )
        names.append(rename.get(name, name))
    return names


def _kind(cell: object) -> str:
    if isinstance(cell, bool):
        return "truth value"
    return "string" if isinstance(cell, str) else "number"


def printable(name: str) -> bool:
    """Whether a name is one line that can be written: no control characters, no surrogates."""
    return name.isprintable() or not any(
        unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name
    )


def refuse_lookalikes(names: Sequence[str], table: Table) -> None:
    """Refuses labels that are written differently and read the same: two classes by accident.

    Raises:
        DataError: names two of them and the places where they stand first.
    """
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        first.setdefault(name, row)
    read: dict[str, str] = {}
    for name, row in first.items():
        other = read.setdefault(_as_read(name), name)
        if other != name:
            raise DataError(
                f"{table.place(row)}: the label reads like another one and is written differently.",
                found=f"{name!a}; {other!a} in {table.unit} {table.positions[first[other]]}",
                remedy="Write the same class in the same way everywhere.",
            )


def _as_read(name: str) -> str:
    """A name as it is seen: compatible forms made one, what is invisible left out, 1.0 as 1."""
    seen = unicodedata.normalize("NFKC", name)
    seen = "".join(letter for letter in seen if unicodedata.category(letter) != "Cf")
    seen = " ".join(seen.split())
    return seen.removesuffix(".0") if _WHOLE.fullmatch(seen) else seen


def is_unlabelled(table: Table, column: str) -> bool:
    """True where a split holds no labels, as the test files of GLUE: none, blank, or all -1.

    A split that lacks the column but has another one of a usual name is labelled, in a way that
    does not fit; that is for an error to say.
    """
    folded = {name.casefold(): name for name in table.names}
    spelled = folded.get(column.casefold())
    if spelled is None:
        return not any(name in folded for name in LABELS)
    return len(table) > 0 and all(cell in (None, "", -1, "-1") for cell in table.column(spelled))


def class_order(names: Sequence[str], known: Sequence[str] | None) -> tuple[str, ...]:
    """Class names in their order: the data's own where known, else sorted, integers by value."""
    present = set(names)
    if known is not None and present.issubset(known):
        return tuple(name for name in known if name in present)
    if all(_INTEGER.fullmatch(name) for name in present):
        return tuple(sorted(present, key=int))
    return tuple(sorted(present))


def choose_positive(
    label_names: tuple[str, ...], given: str | None, where: str
) -> tuple[int | None, str | None]:
    """Index of the positive class and the note that says so; (None, None) for more than two.

    By rule: the label that the other one negates (entailment, not_entailment); else the one whose
    name is a usual one for it (yes, spam, ...); else the second in order.

    Raises:
        DataError: the label given does not exist, or there are more than two classes.
    """
    names = listed(label_names)
    if len(label_names) != 2:
        if given is not None:
            raise DataError(
                f"{where}: a positive class is set, but there are {len(label_names)} classes.",
                found=f"positive {brief(given)}, labels {names}",
                remedy="Leave --positive out; scores are macro averages for more than two classes.",
            )
        return None, None
    if given is not None:
        hits = [i for i, name in enumerate(label_names) if name == given]
        hits = hits or [i for i, n in enumerate(label_names) if n.casefold() == given.casefold()]
        if len(hits) != 1:
            raise DataError(
                f"{where}: no label is called {brief(given)}, which is set as the positive class.",
                found=f"labels {names}",
                remedy="Set --positive to one of them, or leave it out"
                f"{did_you_mean(given, label_names) or '.'}",
            )
        return hits[0], f"The positive class is {brief(label_names[hits[0]])}, as set."
    chosen, why = _by_rule(label_names)
    return chosen, f"The positive class is {brief(label_names[chosen])}: {why}."


def _by_rule(label_names: tuple[str, ...]) -> tuple[int, str]:
    folded = [name.casefold() for name in label_names]
    for i in (0, 1):
        negated = _NEGATED.fullmatch(folded[1 - i])
        if negated and negated[1] == folded[i]:
            return i, f"{brief(label_names[1 - i])} is its negation"
    usual = [i for i in (0, 1) if folded[i] in POSITIVE]
    if len(usual) == 1:
        return usual[0], "a usual name for it"
    return 1, "the second in order, no name telling more"
