"""The study in three sentences: the best classifier, whether more labels would help, the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.evidence.answer import Answer, Needed, rounded
from weft.evidence.sentences import name_of
from weft.report.answer import between
from weft.report.features import features_seconds
from weft.report.formats import count, in_seconds, percent, share, size, whole
from weft.report.rows import done, records
from weft.report.tables import share_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weft.evidence.recipe import ScoreIntervals
    from weft.report.answer import Chosen
    from weft.report.calibration import Best
    from weft.report.comparisons import Compared
    from weft.report.forecast import Foreseen
    from weft.report.rows import StudyView


def headline(
    view: StudyView,
    best: Best | None,
    adapters: Mapping[str, ScoreIntervals],
    who: Chosen | None,
    found: Compared,
    ahead: Foreseen | None,
) -> tuple[str, ...]:
    """The sentences; none where no run is done or scores must not be shown.

    Args:
        view: the study.
        best: the run that validation chose.
        adapters: by run id, the intervals of each saved model's own test scores.
        who: the method that the answer speaks of.
        found: the comparisons.
        ahead: the forecast of that method.
    """
    if who is None:
        return ()
    parts = [_best(view, best, adapters), _more(who, found, ahead), _cost(view, best)]
    return tuple(part for part in parts if part)


def _best(view: StudyView, best: Best | None, adapters: Mapping[str, ScoreIntervals]) -> str:
    if best is None:
        return "The best run's predictions cannot be read, so it has no interval here."
    run = next(row for row in records(view.runs) if row["run_id"] == best.key.run_id)
    own = adapters.get(best.key.run_id)
    score = percent(run["test_accuracy"])
    interval = f" (95 % interval {between(own.accuracy)})" if own else ""
    settings = f" with {best.key.variant}" if best.key.variant else ""
    name = name_of(best.key.method)
    return (
        f"The best classifier, chosen by validation, is {name}{settings} trained on "
        f"{whole(best.key.size)} examples: it answers {score} of {whole(run['test_examples'])} "
        f"test examples rightly{interval}."
    )


def _more(who: Chosen, found: Compared, ahead: Foreseen | None) -> str:
    step = found.step(who.method, *who.sizes[-2:]) if len(who.sizes) > 1 else None
    if step is None:
        now = "Whether more labels would help cannot be told from this study"
    elif not step.told_apart:
        now = f"Whether labels beyond {whole(step.second[1])} help is undecided"
    elif step.difference.estimate > 0:
        now = f"More labels were still helping at {whole(step.first[1])}"
    else:
        now = f"More labels than {whole(step.second[1])} did not help"
    if ahead is None or not isinstance(ahead.said, Answer):
        return f"{now}; no forecast is made."
    said = ahead.said
    if said.target is not None and isinstance(said.outcome, Needed):
        wanted = percent(said.target)
        least = "at most" if said.outcome.at_most else "about"
        return f"{now}; {wanted} takes {least} {rounded(said.outcome.labels)} labels in all."
    curve, end = said.forecast, len(said.forecast.sizes) - 1
    return (
        f"{now}; {whole(curve.sizes[end] + said.validation)} labels in all would bring about "
        f"{percent(float(curve.mean[end]))} ({100 * float(curve.low[end]):.1f} to "
        f"{100 * float(curve.high[end]):.1f})."
    )


def _cost(view: StudyView, best: Best | None) -> str:
    runs = done(view.runs)
    said = f"The study made {count(len(runs), 'run')}"
    sums = [row["seconds"] for row in runs if row["seconds"] is not None]
    if best is None or not sums:
        return f"{said}."
    run = next(row for row in runs if row["run_id"] == best.key.run_id)
    shared = features_seconds(view) if best.key.method == "probe" else None
    after = (
        "" if shared is None else f", after {in_seconds(shared)} for the features of all probes,"
    )
    return (
        f"{said}; this one trained {share(share_of(run))} of all parameters in "
        f"{in_seconds(run['seconds'])}{after} and takes {size(run['model_bytes'])} on disk."
    )
