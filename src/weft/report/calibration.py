"""What a study's predictions are worth as probabilities: temperatures, and test judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.errors import StudyError
from weft.evidence.calibration.abstention import at, curve
from weft.evidence.calibration.ensemble import average
from weft.evidence.calibration.judge import Estimate, brier_each, log_loss_each, mean_interval
from weft.evidence.calibration.reliability import calibration_error
from weft.evidence.calibration.threshold import Threshold, found
from weft.report.readings import Calibrated, Readings
from weft.report.rows import StudyView, done, method_rank, section
from weft.study.choice import best_run
from weft.study.predictions import HELD_OUT, Predicted
from weft.study.record import RunKey, cell_name

COVERAGE = 0.8
"""Share of the examples at which the table gives the accuracy."""


@dataclass(frozen=True)
class Cell:
    """A method at a size: means over its seeds, and its seeds as an ensemble. Scores are test's."""

    method: str
    size: int
    seeds: int
    saved: int  # of the seeds, whose models were saved with their temperature
    held_out: int  # of the seeds, whose temperature was fitted on what is held out
    temperatures: tuple[float, ...]
    log_loss: tuple[Estimate, Estimate]  # before, after
    brier: tuple[Estimate, Estimate]
    ece: tuple[float, float]
    floor: float  # the ECE that chance alone gives after
    accuracy: float
    kept: float  # accuracy at COVERAGE
    ensemble: Ensemble | None  # None for one seed
    variant: str = ""

    @property
    def name(self) -> str:
        """The method with its settings on the grid."""
        return cell_name(self.method, self.variant)


@dataclass(frozen=True)
class Ensemble:
    """The mean of the seeds' probabilities, with a temperature of its own."""

    accuracy: float
    log_loss: float
    kept: float


@dataclass(frozen=True)
class Best:
    """The run that validation chooses, and the seeds beside it."""

    key: RunKey
    run: Calibrated
    ensemble: Calibrated | None


def cells(view: StudyView, runs: Readings) -> list[Cell]:
    """One a size and method, of the runs whose predictions can be read; by size, then method."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in done(view.runs):
        if row["run_id"] in runs:
            groups.setdefault((row["size"], row["method"]), []).append(row)
    keys = sorted(groups, key=lambda key: (key[0], method_rank(key[1])))
    made = [_cell(*key, groups[key], runs) for key in keys]
    return [cell for cell in made if cell is not None]


def best(view: StudyView, runs: Readings) -> Best | None:
    """None where no run is done, or its predictions are not there or must not be shown."""
    try:
        key, _ = best_run(view.folder)
    except StudyError:
        return None
    if key.run_id not in runs:
        return None
    beside = [
        runs[row["run_id"]]
        for row in done(view.runs)
        if (row["method"], row["variant"], row["size"]) == (key.method, key.variant, key.size)
        and row["run_id"] in runs
    ]
    return Best(key, runs[key.run_id], together(beside))


def positive_of(view: StudyView) -> int | None:
    """The class whose precision a threshold is sought for; None: that of any answer."""
    data = section(view.facts, "data")
    place = data.get("positive")
    known = len(data.get("label_names") or []) == 2 and isinstance(place, int) and 0 <= place < 2
    return cast(int, place) if known else None


def threshold_of(view: StudyView, top: Best | None, wanted: float) -> Threshold | None:
    """The lowest threshold that validation proves for the chosen run, or why there is none.

    Args:
        wanted: precision, between 0 and 1.
    """
    if top is None:
        return None
    fitted = top.run.fitted
    return found(top.run.at(fitted), fitted.labels, positive_of(view), wanted)


def together(runs: Sequence[Calibrated]) -> Calibrated | None:
    """The ensemble of two runs or more; None of fewer, or where their examples differ."""
    if len(runs) < 2:
        return None
    first = runs[0]
    for run in runs[1:]:
        for own, theirs in ((first.validation, run.validation), (first.test, run.test)):
            if own.label_names != theirs.label_names or not np.array_equal(
                own.labels, theirs.labels
            ):
                return None
    splits = {
        "validation": [run.validation for run in runs],
        "test": [run.test for run in runs],
        HELD_OUT: [run.held_out for run in runs if run.held_out],
    }
    return Calibrated.of(
        {name: _mean_of(split) for name, split in splits.items() if len(split) == len(runs)}
    )


def _mean_of(split: Sequence[Predicted]) -> Predicted:
    rows = average(np.stack([one.probabilities for one in split]))
    return Predicted(split[0].label_names, split[0].labels, rows)


def _cell(size: int, method: str, rows: list[dict[str, Any]], read: Readings) -> Cell | None:
    runs = [read[row["run_id"]] for row in rows]
    ensemble = together(runs)
    if len(runs) > 1 and ensemble is None:  # test sets that differ cannot be averaged
        return None
    labels = runs[0].test.labels
    before = [run.test.probabilities for run in runs]
    after = [run.at(run.test) for run in runs]
    errors = [[calibration_error(rows, labels) for rows in when] for when in (before, after)]
    return Cell(
        method=method,
        size=size,
        seeds=len(runs),
        saved=sum("temperature" in (row["extra"] or {}) for row in rows),
        held_out=sum(run.held_out is not None for run in runs),
        temperatures=tuple(run.temperature.value for run in runs),
        log_loss=(_mean(log_loss_each, before, labels), _mean(log_loss_each, after, labels)),
        brier=(_mean(brier_each, before, labels), _mean(brier_each, after, labels)),
        ece=(fmean(error.ece for error in errors[0]), fmean(error.ece for error in errors[1])),
        floor=fmean(error.floor for error in errors[1]),
        accuracy=fmean(_accuracy(rows, labels) for rows in before),
        kept=fmean(_kept(rows, labels) for rows in after),
        ensemble=None if ensemble is None else _scores(ensemble),
        variant=rows[0]["variant"],
    )


def _scores(ensemble: Calibrated) -> Ensemble:
    rows, labels = ensemble.at(ensemble.test), ensemble.test.labels
    loss = float(log_loss_each(rows, labels).mean())
    return Ensemble(_accuracy(rows, labels), loss, _kept(rows, labels))


def _mean(each: Any, rows: list[NDArray[np.float64]], labels: NDArray[np.int64]) -> Estimate:
    """Over seeds first, so that the interval is one over test examples."""
    return mean_interval(np.mean([each(own, labels) for own in rows], axis=0))


def _accuracy(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float((rows.argmax(axis=1) == labels).mean())


def _kept(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return at(curve(rows, labels), [COVERAGE])[0].accuracy
