"""A temperature is saved with the model, used where it is loaded, and absent from older models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.data.examples import Examples
from weft.evidence.calibration.temperature import apply, fit
from weft.export import card
from weft.methods.base import Done
from weft.methods.calibrated import save_calibrated
from weft.methods.predictor import Predictor

CARD = card.ModelCard(method="tfidf", labels=("neg", "pos"), positive=1, backbone=None)
LABELS = np.arange(60) % 2


def done(held_out: np.ndarray) -> Done:
    chosen = np.full_like(held_out, 0.5)  # what the choice shows of itself fits nothing
    return Done(
        run_id="run",
        validation=chosen,
        held_out=held_out,
        test=chosen,
        trainable=1,
        total=1,
        epochs=0,
        best_epoch=0,
        seconds=1.0,
        examples_per_second=1.0,
        save=lambda folder: card.write(folder, CARD),
    )


def too_sure() -> np.ndarray:
    """97 % sure, and wrong in a fifth of cases."""
    said = np.where(np.arange(60) % 10 < 2, 1 - LABELS, LABELS)
    return np.where(np.eye(2)[said] == 1, 0.97, 0.03)


def test_it_is_written_into_the_card(tmp_path: Path) -> None:
    found = save_calibrated(done(too_sure()), LABELS, tmp_path)
    saved = card.read(tmp_path)
    assert saved.calibration == found
    assert saved.labels == CARD.labels
    assert found.temperature == fit(too_sure(), LABELS).value > 1.5
    assert (found.examples, found.folds, found.reason) == (60, 5, None)
    assert found.validation_loss_before is not None
    assert found.validation_loss_after is not None
    assert found.validation_loss_after < found.validation_loss_before


@pytest.mark.parametrize("kind", ["nan", "inf", "one class", "few"])
def test_nothing_breaks_a_run(tmp_path: Path, kind: str) -> None:
    rows, labels = too_sure(), LABELS
    if kind in ("nan", "inf"):
        rows[5] = float(kind)
    if kind == "one class":
        labels = np.zeros(60, dtype=np.int64)
    if kind == "few":
        rows, labels = rows[:2], labels[:2]
    found = save_calibrated(done(rows), labels, tmp_path)
    assert found.temperature == 1.0
    assert found.reason
    assert card.read(tmp_path).calibration == found


def predictor(temperature: float | None) -> Predictor:
    own = None
    if temperature is not None:
        own = card.CalibrationCard(
            temperature=temperature,
            examples=60,
            folds=5,
            validation_loss_before=None,
            validation_loss_after=None,
        )

    def compute(texts: Examples) -> np.ndarray:
        return np.tile([0.9, 0.1], (len(texts), 1))

    return Predictor(CARD.model_copy(update={"calibration": own}), compute)


def test_probabilities_are_at_the_temperature_unless_asked_otherwise() -> None:
    rows = np.array([[0.9, 0.1]])
    assert predictor(2.0).probabilities(["a"]) == pytest.approx(apply(rows, 2.0))
    assert predictor(2.0).probabilities(["a"])[0, 0] == pytest.approx(0.75)
    assert np.array_equal(predictor(2.0).probabilities(["a"], calibrated=False), rows)
    assert np.array_equal(predictor(None).probabilities(["a"]), rows)
    assert predictor(2.0).probabilities([]).shape == (0, 2)


def old(tmp_path: Path, **more: Any) -> None:
    raw = json.loads(CARD.model_dump_json(exclude={"calibration"})) | {"schema_version": 1, **more}
    (tmp_path / card.FILE).write_text(json.dumps(raw), encoding="utf-8")


def test_an_older_card_has_none(tmp_path: Path) -> None:
    old(tmp_path)
    assert card.read(tmp_path) == CARD
    assert card.read(tmp_path).schema_version == card.SCHEMA


def test_a_temperature_that_is_none_is_refused(tmp_path: Path) -> None:
    from weft.errors import AdapterError

    for temperature in (0, -1, "warm", None):
        old(tmp_path, calibration={"temperature": temperature, "examples": 1, "folds": 5})
        with pytest.raises(AdapterError, match="damaged"):
            card.read(tmp_path)
