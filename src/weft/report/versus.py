"""Two studies or more side by side, paired with the first where their test examples agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weft.evidence.compare import Cell, Family, Place, compare_pairs
from weft.evidence.sentences import name_of
from weft.report.intervals import LEVEL
from weft.report.rows import method_rank, records, section

if TYPE_CHECKING:
    from weft.report.gathered import Gathered


@dataclass(frozen=True, eq=False)
class Versus:
    """Studies and what differs between them."""

    names: tuple[str, ...]
    studies: tuple[Gathered, ...]
    apart: tuple[str, ...]
    """Of each study, why it cannot be paired with the first; empty where it can, and for the first.
    """
    family: Family
    """The first against each other at equal method and size, corrected together."""

    @property
    def places(self) -> list[Place]:
        """Every method, with its settings, and size that some study has, by size, then method."""
        found = {place for one in self.studies for place in cells_of(one)}
        return sorted(found, key=lambda place: (place[1], method_rank(place[0].split(" (")[0])))


def versus(studies: Sequence[Gathered]) -> Versus:
    """Sets studies side by side. Studies: two or more."""
    assert len(studies) > 1
    names = _names(studies)
    first, *others = studies
    apart = ("", *(_apart(first, other) for other in others))
    cells: dict[Place, Cell] = {}
    for name, study, why in zip(names, studies, apart, strict=True):
        if not why:
            cells |= {
                (_of(name, method), size): cell.answers
                for (method, size), cell in study.every.items()
            }
    wanted = [
        ((_of(name, method), size), (_of(names[0], method), size))
        for name, study, why in zip(names[1:], others, apart[1:], strict=True)
        for method, size in study.every
        if not why and (method, size) in first.every
    ]
    return Versus(names, tuple(studies), apart, compare_pairs(cells, wanted, LEVEL))


def _of(study: str, method: str) -> str:
    """A study's method within a sentence."""
    return f"{name_of(method)} of {study}"


def cells_of(study: Gathered) -> dict[Place, dict[str, object]]:
    """The rows of a study's table by method, with its settings, and size."""
    found: dict[Place, dict[str, object]] = {}
    for row in records(study.table):
        name = row["method"] + (f" ({row['variant']})" if row["variant"] else "")
        found[name, int(row["size"])] = row
    return found


def _names(studies: Sequence[Gathered]) -> tuple[str, ...]:
    """The studies' folders by name; by their whole path where two are called the same."""
    folders = [study.view.folder.resolve() for study in studies]
    short = [folder.name for folder in folders]
    if len(set(short)) == len(short):
        return tuple(short)
    return tuple(f"{place}: {folder}" for place, folder in enumerate(map(str, folders), 1))


def _apart(first: Gathered, other: Gathered) -> str:
    """Why two studies' test examples are not known to be the same; empty where they are."""
    if first.best is None or other.best is None:
        return "predictions of one of them cannot be read"
    ours, theirs = first.best.run.test, other.best.run.test
    if ours.label_names != theirs.label_names:
        return "their classes differ"
    if not np.array_equal(ours.labels, theirs.labels):
        return "their test examples differ"
    hashes = [
        set(section(section(study.view.facts, "data"), "hashes").values())
        for study in (first, other)
    ]
    if not hashes[0] & hashes[1]:
        return "they have no file of data in common, so equal labels may be of other texts"
    return ""
