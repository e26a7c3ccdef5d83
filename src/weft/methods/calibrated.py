"""A finished run's model, saved with the temperature that its held-out probabilities ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.evidence.calibration.temperature import calibrate
from weft.export import card
from weft.methods.base import Done


def calibration_of(done: Done, labels: NDArray[np.int64]) -> card.CalibrationCard:
    """The temperature that a finished run's held-out probabilities ask for.

    Every validation example counts once, whatever its weight in the loss.

    Args:
        labels: (B,) true classes of the validation examples.
    """
    found = calibrate(done.held_out, labels)
    return card.CalibrationCard(
        temperature=found.temperature.value,
        reason=found.temperature.reason,
        examples=found.examples,
        folds=found.folds,
        validation_loss_before=found.loss_before,
        validation_loss_after=found.loss_after,
    )


def save_calibrated(done: Done, labels: NDArray[np.int64], folder: Path) -> card.CalibrationCard:
    """Saves the model into an existing folder and fits and writes its temperature.

    Args:
        done: the run's end.
        labels: (B,) true classes of the validation examples.
    """
    done.save(folder)
    written = calibration_of(done, labels)
    card.write(folder, card.read(folder).model_copy(update={"calibration": written}))
    return written
