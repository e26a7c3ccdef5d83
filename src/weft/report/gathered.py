"""All that a report says of a study, computed once for page, data, pictures and terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.report.answer import Chosen, answer, chosen
from weft.report.calibration import Best, Cell, best, cells
from weft.report.comparisons import Compared, compared
from weft.report.forecast import Foreseen, foreseen
from weft.report.grid import by_method, grid_sentences, of_main_settings
from weft.report.intervals import Judged, judged
from weft.report.readings import readings
from weft.report.rows import done, withheld
from weft.report.steps import few_steps
from weft.report.tables import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    from weft.evidence.compare import Place
    from weft.evidence.recipe import ScoreIntervals
    from weft.report.rows import StudyView


@dataclass(frozen=True, eq=False)
class Gathered:
    """A study and what is concluded from it."""

    view: StudyView
    table: pd.DataFrame
    """As `summary` gives it, with intervals."""
    main: StudyView
    """The study with one setting a method: where there are several, the one that validation chose
    for all sizes. Curves, comparisons, calibration and answer speak of it alone."""
    judged: Mapping[Place, Judged]
    """By method and size, of `main`."""
    every: Mapping[Place, Judged]
    """By method with its settings, and size, of the whole study."""
    compared: Compared
    few: Mapping[Place, int]
    """Cells of the whole study with few steps, and how many."""
    ahead: Foreseen | None
    """The forecast for the method that the answer speaks of; None where no run is done."""
    target: float | None
    chosen: Chosen | None
    """The method that the answer speaks of; None where no run is done or scores are withheld."""
    answer: tuple[str, ...]
    """A paragraph each."""
    cells: list[Cell]
    """Calibration."""
    best: Best | None
    """The run that validation chooses."""
    looks: int
    """How often test was looked at: finished runs whose test score is shown."""

    @property
    def adapters(self) -> dict[str, ScoreIntervals]:
        """By run id, the intervals of each saved model's own test scores."""
        return {
            run_id: own for cell in self.every.values() for run_id, own in cell.adapters.items()
        }


def gather(view: StudyView, target: float | None = None) -> Gathered:
    """Computes everything.

    Args:
        view: the study.
        target: accuracy wanted, a share; None: the study's own, if it has one.
    """
    if target is None:
        target = own_target(view)
    runs = readings(view)
    main, every, few = of_main_settings(view), judged(view, runs), few_steps(view)
    found = by_method(main, every)
    family = compared(found)
    who = chosen(main)
    ahead = None if who is None else foreseen(main, who.method, target)
    said = answer(main, who, found, family, ahead, by_method(main, few), target)
    return Gathered(
        view=view,
        table=summary(view.runs, every, few),
        main=main,
        judged=found,
        every=every,
        compared=family,
        few=few,
        ahead=ahead,
        target=target,
        chosen=who,
        answer=said if who is None else (*said, *grid_sentences(view)),
        cells=cells(main, runs),
        best=best(view, runs),
        looks=0 if withheld(view.facts) else len(done(view.runs)),
    )


def own_target(view: StudyView) -> float | None:
    """The accuracy that the study was run for, a share."""
    target = view.facts.get("target")
    return target if isinstance(target, float) else None
