"""Answers are marked by a threshold that held-out validation proves, or refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weft.errors import AdapterError
from weft.evidence.calibration.temperature import apply
from weft.evidence.calibration.threshold import for_precision
from weft.export import card
from weft.randomness import generator_for
from weft.study.assured import assured
from weft.study.predictions import HELD_OUT, write_predictions

NAMES, TEMPERATURE, EXAMPLES = ("neg", "pos"), 2.0, 600


def rows_of(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (B, 2), true but for the temperature, and labels (B,)."""
    draw = generator_for("assured", split)
    true = draw.random(EXAMPLES)
    labels = (draw.random(EXAMPLES) < true).astype(np.int64)
    rows = np.stack([1 - true, true], axis=1)
    return apply(rows, 1 / TEMPERATURE), labels


def run(folder: Path, *, positive: int | None = 1, splits: tuple[str, ...]) -> Path:
    """A run's folder with a model and the predictions beside it; returns the model's."""
    (folder / "adapter").mkdir()
    own = card.CalibrationCard(
        temperature=TEMPERATURE,
        examples=EXAMPLES,
        folds=5,
        validation_loss_before=None,
        validation_loss_after=None,
    )
    saved = card.ModelCard(
        method="tfidf", labels=NAMES, positive=positive, backbone=None, calibration=own
    )
    card.write(folder / "adapter", saved)
    made = {split: rows_of(split) for split in splits}
    labels = {split: labels for split, (_, labels) in made.items()}
    rows = {split: rows for split, (rows, _) in made.items()}
    write_predictions(folder / "predictions.parquet", NAMES, labels, rows)
    return folder / "adapter"


def test_the_positive_class_is_marked_by_what_is_held_out(tmp_path: Path) -> None:
    found = assured(run(tmp_path, splits=("validation", "test", HELD_OUT)), 0.8)
    rows, labels = rows_of(HELD_OUT)
    at = apply(rows, TEMPERATURE)
    said = at[:, 1] > 0.5
    among = for_precision(at[said, 1], labels[said] == 1, 0.8)
    recall = among.right / (labels == 1).sum()
    assert found.found == replace(among, examples=EXAMPLES, recall=recall)
    value = found.found.value
    assert value is not None
    fresh = np.array([[1 - p, p] for p in (0.0, value - 1e-6, value + 1e-6, 1.0)])
    assert found.of(fresh).tolist() == [False, False, True, True]
    assert f"'pos' at a probability of {value:.3f}" in str(found)


def test_without_a_positive_class_any_answer_may_be(tmp_path: Path) -> None:
    found = assured(run(tmp_path, positive=None, splits=(HELD_OUT,)), 0.8)
    value = found.found.value
    assert value is not None
    sides = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert found.of(sides).tolist() == [True, False, True]


def test_what_is_said_to_be_of_another_class_is_never_marked(tmp_path: Path) -> None:
    """At a precision so low that all answers of the class are right often enough."""
    found = assured(run(tmp_path, splits=(HELD_OUT,)), 0.55)
    assert found.found.value is not None
    assert 0.5 <= found.found.value < 0.51
    assert found.of(np.array([[0.55, 0.45], [0.45, 0.55]])).tolist() == [False, True]


@pytest.mark.parametrize("splits", [("validation", "test"), ("test",), None])
def test_neither_test_nor_what_chose_the_epoch_proves_anything(
    tmp_path: Path, splits: tuple[str, ...] | None
) -> None:
    model = run(tmp_path, splits=splits or ("test",))
    if splits is None:
        (tmp_path / "predictions.parquet").unlink()
    with pytest.raises(AdapterError, match="no validation probabilities that could prove"):
        assured(model, 0.8)


def test_a_precision_that_is_not_proved_is_refused(tmp_path: Path) -> None:
    model = run(tmp_path, splits=(HELD_OUT,))
    with pytest.raises(AdapterError, match=r"no threshold for a precision of 0\.999"):
        assured(model, 0.999)


def test_predictions_of_another_model_are_refused(tmp_path: Path) -> None:
    model = run(tmp_path, splits=(HELD_OUT,))
    other = card.read(model).model_copy(update={"labels": ("pos", "neg")})
    card.write(model, other)
    with pytest.raises(AdapterError, match="are not those of the model"):
        assured(model, 0.8)
