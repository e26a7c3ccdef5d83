"""predictions.parquet is read as it was written, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weft.errors import StudyError
from weft.study.predictions import read_predictions, read_probabilities, write_predictions

NAMES = ("neg", "p:os", "größer")
LABELS = {"validation": np.array([0, 2]), "test": np.array([1, 1, 0])}
ROWS = {
    "validation": np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]),
    "test": np.array([[0.3, 0.4, 0.3], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_predictions(tmp_path / "predictions.parquet", NAMES, LABELS, ROWS)
    return tmp_path / "predictions.parquet"


def test_to_the_last_bit(path: Path) -> None:
    read = read_probabilities(path)
    assert list(read) == ["validation", "test"]
    for split, found in read.items():
        assert found.label_names == NAMES
        assert np.array_equal(found.labels, LABELS[split])
        assert np.array_equal(found.probabilities, ROWS[split])
    predicted, sure = read_predictions(path, "test")
    assert list(predicted) == ["p:os", "neg", "neg"]
    assert list(sure) == list(ROWS["test"].max(axis=1))


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_what_cannot_be_read_is_said(path: Path, damage: str) -> None:
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"split": ["test"], "label": ["x"], "p:y": [1.0]}), path)
    with pytest.raises(StudyError, match="cannot be read"):
        read_probabilities(path)
