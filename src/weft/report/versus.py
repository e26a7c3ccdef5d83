"""Two studies or more side by side, paired with the first where their test examples agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weft.evidence.compare import Cell, Family, Place, compare_pairs
from weft.evidence.sentences import name_of
from weft.report.intervals import LEVEL
from weft.report.rows import done, method_rank, records, section, withheld

if TYPE_CHECKING:
    from weft.report.gathered import Gathered


@dataclass(frozen=True, eq=False)
class Versus:
    """Studies and what differs between them."""

    names: tuple[str, ...]
    studies: tuple[Gathered, ...]
    apart: tuple[str, ...]
    """Of each study, why nothing of it is paired with the first; empty where something is, and for
    the first."""
    same_test: tuple[bool, ...]
    """Of each study, whether its test examples are known to be those of the first."""
    family: Family
    """The first against each other at equal method and size, corrected together."""

    @property
    def places(self) -> list[Place]:
        """Every method, with its settings, and size that some study has: by size, then method, then
        settings as they were planned."""
        found = dict.fromkeys(place for one in self.studies for place in cells_of(one))
        planned = {name: at for at, name in enumerate(dict.fromkeys(name for name, _ in found))}
        return sorted(
            found, key=lambda place: (place[1], method_rank(_bare(place[0])), planned[place[0]])
        )


def versus(studies: Sequence[Gathered]) -> Versus:
    """Sets studies side by side. Studies: two or more."""
    assert len(studies) > 1
    names = _names(studies)
    first, *others = studies
    known = [
        _apart(first, other, names[0], own) for other, own in zip(others, names[1:], strict=True)
    ]
    apart = (
        "",
        *(why or _unshared(first, other) for other, why in zip(others, known, strict=True)),
    )
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
    same = (True, *(not why for why in known))
    return Versus(names, tuple(studies), apart, same, compare_pairs(cells, wanted, LEVEL))


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


def _bare(name: str) -> str:
    """A method without its settings."""
    return name.split(" (")[0]


def _apart(first: Gathered, other: Gathered, *names: str) -> str:
    """Why two studies' test examples are not known to be the same; empty where they are.

    Args:
        first: a study.
        other: another.
        names: theirs, in this order.
    """
    for study, name in zip((first, other), names, strict=True):
        if study.best is None and withheld(study.view.facts):
            return f"the scores of {name} mean nothing, since its encoder's weights are random"
        if study.best is None and not done(study.view.runs):
            return f"no run of {name} is done"
    for study, name in zip((first, other), names, strict=True):
        if study.best is None:
            return f"the predictions of {name}'s best run cannot be read"
    assert first.best is not None
    assert other.best is not None
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


def _unshared(first: Gathered, other: Gathered) -> str:
    """Why no scores of two studies with the same test examples are paired; empty where some are."""
    ours, theirs = first.every, other.every
    both = ours.keys() & theirs.keys()
    if any(set(ours[at].answers.seeds) & set(theirs[at].answers.seeds) for at in both):
        return ""
    if both:
        return "they share no seed where they share a method and a size"
    places = cells_of(first).keys(), cells_of(other).keys()
    if places[0] & places[1]:
        return "not all predictions can be read where they share a method and a size"
    names = [{name for name, _ in own} for own in places]
    if names[0] & names[1]:
        return "no method with the same settings on the grid was run at the same size in both"
    if {_bare(name) for name in names[0]} & {_bare(name) for name in names[1]}:
        return "no method with the same settings on the grid is in both"
    return "no method is in both"
