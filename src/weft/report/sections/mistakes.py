"""Test examples worth reading, with what each size made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weft.report.formats import count, percent, whole
from weft.report.markdown import markdown_table
from weft.report.mistakes import MOST, Example, Kind
from weft.report.sections.parts import Drawn, Part

if TYPE_CHECKING:
    from weft.report.gathered import Gathered

KINDS: dict[Kind, str] = {
    "wrong": "wrong and sure",
    "sizes": "sizes disagree",
    "label": "label in doubt",
}
"""What the three kinds are called."""

_CHANCE = (
    " Here the best run is not told apart from always giving test's commonest label, so its flags "
    "say little."
)
_SHORT = 300  # letters of a text in Markdown


def mistakes(found: Gathered) -> tuple[Part, ...]:
    """The section's parts; none where no predictions can be read."""
    own = found.mistakes
    if not own.tested:
        return ()
    counts = own.counts
    verb = "is" if counts["label"] == 1 else "are"
    said = (
        f"Of {count(own.tested, 'test example')} the best run gets {whole(counts['wrong'])} wrong; "
        f"on {whole(counts['sizes'])} the training sizes of {own.name}, seeds taken together, "
        f"answer differently; and {count(counts['label'], 'label')} {verb} in doubt, as cleanlab "
        "counts by the best cell's calibrated probabilities. In our own test about one in six of "
        "such flags was a wrong label: read the text before you change one, since a sure mistake "
        "looks the same."
    )
    if _near_chance(found):
        said += _CHANCE
    if not own.wanted:
        return (said, "The examples were left out (`--no-texts`).")
    if not own.examples:
        return (said,)
    parts: list[Part] = [said, _listed(own.counts)]
    if own.missing:
        parts.append(f"**Without texts.** {own.missing} Examples go by their place in test.")
    sizes = [f"p at {whole(size)}" for size in own.sizes]
    headings = ("test #", "kind", "label", "answer", "sure", *sizes, "text")
    table = markdown_table(headings, [_line(one) for one in own.examples])
    return (*parts, Drawn("mistakes", table))


def _near_chance(found: Gathered) -> bool:
    """Whether the best run is not told apart from the commonest answer, or is below it."""
    if found.best is None:
        return False
    test = found.best.run.test
    commonest = float(np.bincount(test.labels).max() / len(test.labels))
    own = found.adapters.get(found.best.key.run_id)
    low = None if own is None else own.accuracy.low
    if low is None:
        low = float((test.probabilities.argmax(1) == test.labels).mean())
    return low <= commonest


def _listed(counts: dict[Kind, int]) -> str:
    cut = max(counts.values()) > MOST
    first = f"The first {MOST} of each kind are listed. " if cut else ""
    return (
        f"{first}`sure` is the best run's probability of its answer, `p` that of the label by the "
        "seeds of each size together, all calibrated."
    )


def _line(one: Example) -> list[str]:
    text = one.text or ""
    cut = f"{text[:_SHORT]}\u2026" if len(text) > _SHORT else text
    return [
        *(str(one.index), ", ".join(KINDS[kind] for kind in one.kinds), one.label, one.answer),
        *(percent(one.sure), *(percent(p) for _, p in one.by_size), cut),
    ]
