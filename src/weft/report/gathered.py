"""All that a report says of a study, computed once for page, data, pictures and terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.evidence.calibration.threshold import WANTED, Threshold
from weft.report.answer import Chosen, answer, chosen
from weft.report.calibration import Best, Cell, best, cells, threshold_of
from weft.report.comparisons import Compared, compared
from weft.report.forecast import Foreseen, Line, foreseen, line_of
from weft.report.grid import by_method, grid_sentences, of_main_settings
from weft.report.headline import headline
from weft.report.intervals import Judged, judged
from weft.report.matrices import Matrix, matrices
from weft.report.mistakes import Mistakes, mistakes
from weft.report.readings import readings
from weft.report.rows import done, withheld
from weft.report.steps import few_steps
from weft.report.surety import Surety, surety
from weft.report.tables import summary
from weft.report.traces import Trace, traces

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    from weft.evidence.compare import Place
    from weft.evidence.recipe import ScoreIntervals
    from weft.report.rows import StudyView
    from weft.study.reread import Seen


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
    line: Line | None
    """The forecast as it is drawn."""
    target: float | None
    chosen: Chosen | None
    """The method that the answer speaks of; None where no run is done or scores are withheld."""
    headline: tuple[str, ...]
    """The answer in three sentences; none where no run is done or scores are withheld."""
    answer: tuple[str, ...]
    """The same at length, a paragraph each."""
    cells: list[Cell]
    """Calibration."""
    best: Best | None
    """The run that validation chooses."""
    threshold: Threshold | None
    """For that run and a wanted precision; None where there is no such run."""
    surety: Surety | None
    """What pictures show of its probabilities."""
    traces: tuple[Trace, ...]
    """Of `main`: how its runs went."""
    matrices: tuple[Matrix, ...]
    """Of the method that the answer speaks of, one a size."""
    mistakes: Mistakes
    seen: Seen | None
    """The study's data, where they were read again."""
    note: str
    """What the report is to say besides; empty: nothing."""
    looks: int
    """How often test was looked at: finished runs whose test score is shown."""

    @property
    def adapters(self) -> dict[str, ScoreIntervals]:
        """By run id, the intervals of each saved model's own test scores."""
        return {
            run_id: own for cell in self.every.values() for run_id, own in cell.adapters.items()
        }


def gather(
    view: StudyView,
    target: float | None = None,
    seen: Seen | None = None,
    note: str = "",
    target_precision: float = WANTED,
) -> Gathered:
    """Computes everything.

    Args:
        view: the study.
        target: accuracy wanted, a share; None: the study's own, if it has one.
        seen: its data, as `study.reread` gives them; None: the report says nothing of texts.
        note: what the report is to say besides, e.g. whose data they are.
        target_precision: for which a threshold is sought, between 0 and 1.
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
    top = best(view, runs)
    own = {run_id: one for cell in every.values() for run_id, one in cell.adapters.items()}
    return Gathered(
        view=view,
        table=summary(view.runs, every, few),
        main=main,
        judged=found,
        every=every,
        compared=family,
        few=few,
        ahead=ahead,
        line=None if ahead is None else line_of(main, ahead),
        target=target,
        chosen=who,
        headline=headline(view, top, own, who, family, ahead),
        answer=said if who is None else (*said, *grid_sentences(view)),
        cells=cells(main, runs),
        best=top,
        threshold=threshold_of(view, top, target_precision),
        surety=surety(top),
        traces=traces(main),
        matrices=matrices(main, None if who is None else who.method),
        mistakes=mistakes(view, runs, top, seen),
        seen=seen,
        note=note,
        looks=0 if withheld(view.facts) else len(done(view.runs)),
    )


def own_target(view: StudyView) -> float | None:
    """The accuracy that the study was run for, a share."""
    target = view.facts.get("target")
    return target if isinstance(target, float) else None
