"""What a run leaves behind: the rows that the ledger keeps and the report reads. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from weft.errors import StudyError, brief
from weft.evidence.scores import Scores

_FOLDER = re.compile(r"[^./\\:\0][^/\\:\0]*")
SplitName = Literal["validation", "test"]
Status = Literal["planned", "running", "done", "failed"]


@dataclass(frozen=True)
class RunKey:
    """One trained thing of a study. `run_id` is a hash of everything that decides its outcome."""

    run_id: str
    method: str
    size: int  # training examples
    seed: int
    variant: str = ""
    """Its settings on the grid, e.g. `learning_rate=0.001, r=16`; empty where the grid has none for
    its method."""

    def __post_init__(self) -> None:
        """Refuses an id that leads out of the study's folder: files are written and deleted there.

        Raises:
            StudyError: the ledger that it was read from was altered.
        """
        if not _FOLDER.fullmatch(self.run_id):
            raise _leads_out(self.run_id)

    @property
    def name(self) -> str:
        """The method with its settings: `lora (learning_rate=0.001)`."""
        return cell_name(self.method, self.variant)


def cell_name(method: str, variant: str | None) -> str:
    """A method with its settings on the grid, if there are any: `lora (learning_rate=0.001)`."""
    return f"{method} ({variant})" if variant else method


@dataclass(frozen=True)
class EpochRow:
    """One epoch of one run, as training_log.csv shows it."""

    epoch: int  # counted from 1
    step: int  # optimiser steps so far
    train_loss: float  # mean over the epoch's own training-mode losses
    train_accuracy: float  # of the epoch's own training-mode logits (dropout on, weights moving)
    validation_loss: float
    validation_accuracy: float
    learning_rate: float  # of the epoch's last step
    seconds: float  # wall time since the epoch began, shared with the bank's other runs


@dataclass(frozen=True)
class Outcome:
    """What came out of one run."""

    validation: Scores
    test: Scores
    trainable: int  # parameters moved by training; for tfidf and probe, their coefficients
    total: int  # distinct parameters of the whole model, trainable ones included
    epochs: int  # trained; 0 where the method has none
    best_epoch: int  # whose weights were tested; 0 where the method has none
    seconds: float  # wall time of the run
    examples_per_second: float  # training examples seen per second of that
    peak_memory_bytes: int | None = None
    """Most memory that the process took on while the run's method worked, up to the run's end,
    beyond what it held when that method began. Runs that train together share it, and so does
    everything else that the process does meanwhile; memory of a GPU is not in it."""
    model_bytes: int | None = None
    """Size of the saved model's files: what `weft predict` reads beside the backbone, tokenizer
    included; no checkpoints, no predictions."""
    folder: str | None = None  # relative to the study's folder
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """What only this method can say, e.g. PEFT's own parameter counts or the chosen C."""

    @property
    def chosen(self) -> str:
        """What validation chose for it: the epoch, or where the method has none the penalty."""
        return "epoch" if self.best_epoch else "penalty"

    def __post_init__(self) -> None:
        """Refuses a folder outside of the study's.

        Raises:
            StudyError: the ledger that it was read from was altered.
        """
        path = PurePosixPath(self.folder or "")
        if path.is_absolute() or ".." in path.parts:
            raise _leads_out(str(path))


def _leads_out(name: str) -> StudyError:
    return StudyError(
        "the study's ledger names a place outside of its folder",
        found=brief(name),
        remedy="weft never writes such a name: trust nothing in this folder, run the study anew",
    )
