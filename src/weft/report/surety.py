"""What pictures show of the chosen run's probabilities: reliability twice, and abstention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.evidence.calibration.abstention import Curve, curve
from weft.evidence.calibration.reliability import (
    CalibrationError,
    Reliability,
    calibration_error,
    reliability,
)
from weft.report.calibration import Best


@dataclass(frozen=True, eq=False)
class Surety:
    """Of one run's test answers."""

    before: tuple[Reliability, CalibrationError]
    after: tuple[Reliability, CalibrationError]
    kept: Curve
    """Right answers against the share that is answered."""
    together: Curve | None
    """The same of all its seeds as one; None for one seed."""

    @property
    def shown(self) -> slice:
        """The points of a curve worth showing: a handful of the surest says nothing."""
        total = len(self.kept.coverage)
        return slice(min(max(total // 20, 20), total) - 1, None)


def surety(best: Best | None) -> Surety | None:
    """None where there is no run."""
    if best is None:
        return None
    run, labels = best.run, best.run.test.labels
    every = best.ensemble
    return Surety(
        _judged(run.test.probabilities, labels),
        _judged(run.at(run.test), labels),
        curve(run.at(run.test), labels),
        None if every is None else curve(every.at(every.test), every.test.labels),
    )


def _judged(
    rows: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[Reliability, CalibrationError]:
    return reliability(rows, labels), calibration_error(rows, labels)
