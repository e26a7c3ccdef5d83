"""The report's sections in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.report.markdown import plain
from weft.report.rows import done, withheld
from weft.report.sections.check import check
from weft.report.sections.confusions import confusions
from weft.report.sections.epochs import epochs
from weft.report.sections.how import how
from weft.report.sections.mistakes import mistakes
from weft.report.sections.parts import Drawn, Part, Section, picture
from weft.report.sections.probabilities import probabilities
from weft.report.sections.scores import cost_parts, score_parts
from weft.report.sections.state import state

if TYPE_CHECKING:
    from weft.report.gathered import Gathered


def contents(found: Gathered, files: Sequence[str]) -> list[Section]:
    """All sections that have something to say.

    Args:
        found: the study and what is concluded from it.
        files: everything that is written beside the report, relative to the study's folder.
    """
    runs = done(found.view.runs)
    shown = bool(runs) and not withheld(found.view.facts)
    sections = [Section("answer", "The answer", _answer(found), headed=True)]
    if shown:
        scores = (*score_parts(found), *cost_parts(found))
        curve = picture("sizes", files, "Test accuracy against training size")
        sections += [
            Section("curve", "Learning curve", (Drawn("curve", curve),), headed=True),
            Section("scores", "Scores and costs", scores, headed=True),
            Section("epochs", "Curves per epoch", epochs(found, files)),
            Section("confusion", "Confusion", confusions(found, files)),
            Section("calibration", "Calibration", tuple(probabilities(found, files))),
            Section("errors", "Errors", mistakes(found)),
        ]
    elif runs:
        sections.append(Section("scores", "Costs", tuple(cost_parts(found)), headed=True))
    sections.append(Section("check", "The data's check", check(found)))
    sections.append(Section("how", "How it was run", how(found), headed=True))
    return [section for section in sections if section.parts]


def _answer(found: Gathered) -> tuple[Part, ...]:
    """In brief, what is not done yet, and at length."""
    brief = (" ".join(found.headline),) if found.headline else ()
    long = found.answer if not brief else ("## At length", *found.answer)
    note = (plain(found.note),) if found.note else ()
    return (*brief, *note, *state(found.view), *long)
