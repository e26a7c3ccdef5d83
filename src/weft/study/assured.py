"""Which answers of a study's model are right as often as wanted, by what validation proves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.errors import AdapterError, StudyError
from weft.evidence.calibration import threshold
from weft.evidence.calibration.temperature import apply
from weft.export import card
from weft.study.predictions import HELD_OUT, read_probabilities
from weft.study.recording import PREDICTIONS


@dataclass(frozen=True)
class Assured:
    """A proved threshold on one model's calibrated probabilities."""

    labels: tuple[str, ...]
    positive: int | None
    found: threshold.Threshold  # with a value

    def of(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(B,) which answers the promise covers, of probabilities (B, C).

        With a positive class these are texts that are said to be of it, and no others.
        """
        assert self.found.value is not None
        return threshold.reached(rows, self.positive, self.found.value)

    def __str__(self) -> str:
        found = self.found
        assert found.value is not None
        assert found.bound is not None
        who = "an answer" if self.positive is None else repr(self.labels[self.positive])
        return (
            f"assured: {who} at a probability of {found.value:.3f} or more; of "
            f"{found.examples:,} validation examples {found.answered:,} reach it, {found.right:,} "
            f"rightly: precision at least {100 * found.bound:.1f} % with "
            f"{100 * found.level:.3g} % confidence"
        )


def assured(model: Path, wanted: float) -> Assured:
    """The lowest threshold that validation proves for a run's model; test has no part in it.

    Args:
        model: a run's model in its study, beside which its predictions lie.
        wanted: precision, between 0 and 1.

    Raises:
        AdapterError: no validation probabilities lie beside it, or they prove no threshold.
    """
    saved = card.read(model)
    path = model.absolute().parent / PREDICTIONS
    try:
        rows = read_probabilities(path)[HELD_OUT]
    except (StudyError, KeyError) as error:
        beside = model / "study"
        named = f"{beside}:best" if beside.is_dir() else "STUDY:best or STUDY:RUN"
        raise AdapterError(
            f"{model} has no validation probabilities that could prove a precision",
            found=f"nothing held out in {path}",
            remedy=f"name a run of a study that this weft made: {named}",
        ) from error
    if rows.label_names != saved.labels:
        raise AdapterError(
            f"the predictions in {path} are not those of the model beside them",
            found=f"labels {', '.join(rows.label_names)}; the model has {', '.join(saved.labels)}",
            remedy="run the study again in another folder",
        )
    own = saved.calibration
    at = rows.probabilities if own is None else apply(rows.probabilities, own.temperature)
    found = threshold.found(at, rows.labels, saved.positive, wanted)
    if found.value is None:
        raise AdapterError(
            f"validation proves no threshold for a precision of {wanted:g}",
            found=found.reason,
            remedy="ask for less, or train with more validation examples",
        )
    return Assured(saved.labels, saved.positive, found)
