"""Probabilities of a run on every validation and test example, as Parquet. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.errors import StudyError

HELD_OUT = "held out"
"""The split that holds validation once more, each example by the epoch, or the C, that the others
choose: temperatures and thresholds are found on it."""


@dataclass(frozen=True)
class Predicted:
    """What a run made of one split."""

    label_names: tuple[str, ...]
    labels: NDArray[np.int64]  # (B,) true classes
    probabilities: NDArray[np.float64]  # (B, C), columns in the order of the names


def write_predictions(
    path: Path,
    label_names: tuple[str, ...],
    labels: Mapping[str, NDArray[np.int64]],
    probabilities: Mapping[str, NDArray[np.float64]],
) -> None:
    """Writes one row an example: split, index in it, label, predicted, and p:<label> columns.

    Args:
        label_names: C names.
        labels: (B,) true classes of each split.
        probabilities: (B, C) of each split.
    """
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    arrow, parquet = cast("Any", pa), cast("Any", pq)
    names = np.asarray(label_names, dtype=object)
    splits = list(labels)
    rows = np.concatenate([probabilities[split] for split in splits])
    columns: dict[str, Any] = {
        "split": np.repeat(np.asarray(splits, dtype=object), [len(labels[s]) for s in splits]),
        "index": np.concatenate([np.arange(len(labels[split])) for split in splits]),
        "label": names[np.concatenate([labels[split] for split in splits])],
        "predicted": names[rows.argmax(axis=1)],
    }
    columns |= {f"p:{name}": rows[:, place] for place, name in enumerate(label_names)}
    parquet.write_table(arrow.table(columns), path)


def read_predictions(path: Path, split: str) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """The labels predicted on a split (B,), and the probability of each (B,).

    Raises:
        StudyError: there is no such file, or it is damaged.
    """
    own = read_probabilities(path)[split]
    names = np.asarray(own.label_names, dtype=object)
    return names[own.probabilities.argmax(axis=1)], own.probabilities.max(axis=1)


def read_probabilities(path: Path) -> dict[str, Predicted]:
    """Labels and probabilities of each split that the file holds.

    Raises:
        StudyError: there is no such file, or it is damaged.
    """
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    try:
        table = cast("Any", pq).read_table(path)
        columns = [name for name in table.column_names if name.startswith("p:")]
        names = tuple(name.removeprefix("p:") for name in columns)
        place = {name: number for number, name in enumerate(names)}
        labels = np.array([place[name] for name in table["label"].to_pylist()], dtype=np.int64)
        rows = np.column_stack([table[name].to_numpy() for name in columns])
        split = np.asarray(table["split"].to_pylist(), dtype=object)
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(
            f"The predictions in {path} cannot be read.",
            found=str(error).splitlines()[0],
            remedy="restore the file from a copy, or run the study in another folder",
        ) from error
    return {
        str(own): Predicted(names, labels[split == own], rows[split == own])
        for own in dict.fromkeys(split)
    }
