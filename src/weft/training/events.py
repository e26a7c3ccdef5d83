"""What training tells the room above, in the order in which it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from weft.training.snapshot import Snapshot


@dataclass(frozen=True)
class RunBegin:
    """A run begins: for those that train by steps, a slot has taken it."""

    run_id: str


@dataclass(frozen=True)
class Stepped:
    """One step of the whole bank."""

    examples: int  # trained on in this step, all runs together
    running: int  # runs that took part
    fill: float  # share of the strips' places that held a token
    losses: Mapping[str, float] = field(default_factory=dict[str, float])
    """Mean training loss of the step by run id, of the runs for which it was read."""


@dataclass(frozen=True)
class EpochEnd:
    """One run ended an epoch and was validated."""

    run_id: str
    epoch: int
    step: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    state: Mapping[str, Tensor]
    """Views of the run's weights, valid until the next event is asked for."""


@dataclass(frozen=True)
class RunEnd:
    """One run ended: its best weights were tested."""

    run_id: str
    epochs: int
    best_epoch: int
    seconds: float
    examples_per_second: float
    validation: NDArray[np.float64]  # (V, C) probabilities of the best epoch
    held_out: NDArray[np.float64]
    """(V, C) probabilities, of each example by the epoch that the other folds' examples choose."""
    test: NDArray[np.float64]  # (B, C) probabilities
    state: Mapping[str, Tensor]
    """The best epoch's weights, the caller's to keep."""


@dataclass(frozen=True)
class RunFailed:
    """One run could not go on; the others do."""

    run_id: str
    reason: str
    best_epoch: int = 0  # 0: it ended none
    state: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor], compare=False)
    """Its best epoch's weights, the caller's to keep; empty where it ended none."""


@dataclass(frozen=True)
class Settled:
    """A step and all that it brought are told: from here training can go on another day."""

    over: bool  # no run is left
    epoch_ended: bool  # of a run at least, judged or not
    snapshot: Callable[[], Snapshot]
    """Takes the bank's whole state; to be called before the next event is asked for."""


Event = RunBegin | Stepped | EpochEnd | RunEnd | RunFailed | Settled
