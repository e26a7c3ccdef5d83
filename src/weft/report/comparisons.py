"""What differs in a study and what is shown to be equal, sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weft.evidence.compare import Comparison, Family, Place, compare, equivalences
from weft.evidence.equivalence import Equivalence
from weft.evidence.sentences import equivalence_sentence, name_of, sentences
from weft.report.formats import count, whole
from weft.report.intervals import LEVEL, Judged

REFERENCE, RIVAL = "lora", "full"
"""The method that others are compared with, and the one that it is said to equal."""


@dataclass(frozen=True)
class Compared:
    """All comparisons of a study."""

    family: Family
    equal: Mapping[int, Equivalence]
    """By size, of `REFERENCE` and `RIVAL`; empty where one of them did not run."""

    def step(self, method: str, small: int, large: int) -> Comparison | None:
        """The comparison of two sizes of a method, if it is in the family."""
        wanted = ((method, large), (method, small))
        return next((c for c in self.family.comparisons if (c.first, c.second) == wanted), None)

    def of(self, method: str, size: int) -> tuple[str, ...]:
        """The sentences that speak of a method: its sizes, and how it stands at one size."""
        said = zip(self.family.comparisons, sentences(self.family), strict=True)
        return tuple(
            text
            for one, text in said
            if method in (one.first[0], one.second[0])
            and (one.first[0] == one.second[0] or one.first[1] == size)
        )


def compared(cells: Mapping[Place, Judged]) -> Compared:
    """Runs the family and the tests of equality over the cells that have predictions."""
    answers = {place: cell.answers for place, cell in cells.items()}
    return Compared(compare(answers, REFERENCE, LEVEL), equivalences(answers, REFERENCE, RIVAL))


def comparisons_markdown(found: Compared) -> list[str]:
    """The paragraphs beneath the table; none where nothing can be compared."""
    family = found.family
    parts: list[str] = []
    if family.comparisons:
        parts += [
            "### Differences",
            _family(family),
            "\n".join(f"- {text}" for text in sentences(family)),
        ]
    if family.not_offered:
        parts.append(_left_out(family))
    if found.equal:
        parts += [f"### {_equals()}", _MARGIN, "\n".join(f"- {text}" for text in equalities(found))]
    return parts


def equalities(found: Compared) -> tuple[str, ...]:
    """A sentence a size: whether equality is shown, and what could have been."""
    return tuple(
        equivalence_sentence(one, size, REFERENCE, RIVAL) for size, one in found.equal.items()
    )


_MARGIN = (
    "Two one-sided tests, each at 5 %, with a margin of 1.0 point that was declared before the "
    "study. Not shown does not mean different. Each size is a claim of its own."
)


def _equals() -> str:
    return f"Whether {name_of(REFERENCE)} equals {name_of(RIVAL)}"


def _family(family: Family) -> str:
    several = len({place[0] for one in family.comparisons for place in (one.first, one.second)})
    versus = f", and {name_of(REFERENCE)} against each other method at equal size"
    return (
        f"Test accuracy, paired by seed and by test example: adjacent sizes of each method"
        f"{versus if several > 1 else ''}. The intervals are those by which Holm's procedure "
        f"judges all {count(len(family.comparisons), 'comparison')} together: they exclude 0 where "
        f"a difference is told apart, with {100 * (1 - family.level):.0f} % risk of any false one. "
        f"By itself: the {100 * family.level:.0f} % interval of one comparison, which says how "
        "large a difference may be, and decides nothing."
    )


def _left_out(family: Family) -> str:
    pairs = "; ".join(
        f"{first[0]} at {whole(first[1])} and {second[0]} at {whole(second[1])}"
        for first, second in family.not_offered
    )
    return f"Not compared, since they share no seed: {pairs}."


def comparison_data(found: Compared) -> list[dict[str, Any]]:
    """Each comparison with its sentence, for other programs; shares, not points."""
    return [
        {
            "first": _place(one.first),
            "second": _place(one.second),
            "seeds": list(one.seeds),
            "difference": one.difference.estimate,
            "low": one.low,
            "high": one.high,
            "level": one.level,
            "p": one.p,
            "adjusted_low": one.adjusted_low,
            "adjusted_high": one.adjusted_high,
            "adjusted_level": one.adjusted_level,
            "adjusted_p": one.adjusted_p,
            "told_apart": one.told_apart,
            "covers": one.difference.noise,
            "sentence": text,
        }
        for one, text in zip(found.family.comparisons, sentences(found.family), strict=True)
    ]


def equality_data(found: Compared) -> list[dict[str, Any]]:
    """Each test of equality with its sentence; shares, not points."""
    return [
        {
            "size": size,
            "first": REFERENCE,
            "second": RIVAL,
            "margin": one.margin,
            "difference": one.difference.estimate,
            "low": one.low,
            "high": one.high,
            "level": 2 * one.level - 1,
            "p": one.p,
            "shown": one.shown,
            "smallest": one.smallest,
            "sentence": text,
        }
        for (size, one), text in zip(found.equal.items(), equalities(found), strict=True)
    ]


def _place(place: Place) -> dict[str, Any]:
    return {"method": place[0], "size": place[1]}
