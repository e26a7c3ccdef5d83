"""What the runs of a study predicted, each file read once, with the temperature it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.errors import StudyError
from weft.evidence.calibration.temperature import Temperature, apply, fit
from weft.report.rows import StudyView, done, withheld
from weft.study.predictions import HELD_OUT, Predicted, read_probabilities

PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True)
class Calibrated:
    """One run's predictions, or an ensemble's, and the temperature that validation asks for."""

    temperature: Temperature
    validation: Predicted
    held_out: Predicted | None
    """Validation by choices in which each example had no part; None where it was not kept."""
    test: Predicted

    @classmethod
    def of(cls, splits: Mapping[str, Predicted]) -> Calibrated:
        """With the temperature that is saved with the model, or would be."""
        validation, held_out = splits["validation"], splits.get(HELD_OUT)
        fitted = held_out or validation
        temperature = fit(fitted.probabilities, fitted.labels)
        return cls(temperature, validation, held_out, splits["test"])

    @property
    def fitted(self) -> Predicted:
        """The examples on which temperature and thresholds are found."""
        return self.held_out or self.validation

    def at(self, split: Predicted) -> NDArray[np.float64]:
        """(B, C) probabilities of a split at the temperature."""
        return apply(split.probabilities, self.temperature.value)


Readings = dict[str, Calibrated]
"""By run id; a run whose predictions are gone, damaged or no numbers is not among them."""


def readings(view: StudyView) -> Readings:
    """What can be read of the runs that are done; nothing where scores must not be shown."""
    if withheld(view.facts):
        return {}
    found = ((row["run_id"], _read(view, row["run_id"])) for row in done(view.runs))
    return {run_id: run for run_id, run in found if run is not None}


def _read(view: StudyView, run_id: str) -> Calibrated | None:
    try:
        splits = read_probabilities(view.folder / "runs" / run_id / PREDICTIONS)
    except StudyError:
        return None  # a report is of what is there
    if not {"validation", "test"} <= splits.keys():
        return None
    if not all(np.isfinite(split.probabilities).all() for split in splits.values()):
        return None
    return Calibrated.of(splits)
