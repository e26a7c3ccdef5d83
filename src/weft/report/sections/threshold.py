"""The words on a threshold for a wanted precision: what validation proves, and what test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weft.evidence.calibration.threshold import Threshold, reached
from weft.evidence.proportion import wilson
from weft.report.calibration import Best, positive_of
from weft.report.formats import MISSING, count, percent, percent_whole, whole
from weft.report.markdown import code

if TYPE_CHECKING:
    from weft.report.gathered import Gathered


def threshold_words(gathered: Gathered, best: Best) -> str:
    """A paragraph."""
    found, run, positive = gathered.threshold, best.run, positive_of(gathered.view)
    assert found is not None, "there is a run"
    wanted = percent_whole(found.wanted)
    what = f"To be right in {wanted} of the answers given"
    if positive is not None:
        name = run.validation.label_names[positive]
        what = f"To say {code(name)} with a precision of {wanted}"
    if found.value is None:
        return f"{what}: no threshold is shown to reach it; {found.reason}."
    rows = run.at(run.test)
    right = run.test.labels == (rows.argmax(axis=1) if positive is None else positive)
    tested = _on_test(reached(rows, positive, found.value), right)
    said = f"{what}: {_reached(found)} {tested}"
    if run.held_out is None:  # `weft predict` trusts no other probabilities
        return said
    return f"{said} `weft predict --target-precision {found.wanted:g}` marks such answers."


def _reached(threshold: Threshold) -> str:
    assert threshold.bound is not None
    return (
        f"at a probability of {threshold.value:.3f} or more. Found on "
        f"{count(threshold.examples, 'validation example')}: {whole(threshold.answered)} answered, "
        f"{whole(threshold.right)} right, recall {percent(threshold.recall)}; the precision's "
        f"{percent_whole(threshold.level)} lower bound is {percent(threshold.bound)}, which covers "
        "all thresholds looked at."
    )


def _on_test(answered: NDArray[np.bool_], right: NDArray[np.bool_]) -> str:
    number, hits = int(answered.sum()), int((answered & right).sum())
    if not number:
        return "On test nothing reaches it."
    low, high = (float(end) for end in wilson(hits, number))
    recall = percent(hits / int(right.sum())) if right.any() else MISSING
    return (
        f"On test: {whole(number)} answered, precision {percent(hits / number)} "
        f"({percent(low)} to {percent(high)}), recall {recall}."
    )
