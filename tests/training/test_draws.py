"""What a run draws at a step is fixed by its seed and the step, and by nothing else."""

from __future__ import annotations

import torch

from weft.training.slots import Slot

from ..tiny import Checkpoint, bank
from .test_loop import job


def bits_of(slot: Slot) -> torch.Tensor:
    drawn = torch.empty(4096, dtype=torch.int16)
    slot.stream().draw_into(drawn)
    return drawn


def test_dropout_differs_by_step_and_by_seed(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    a, b = Slot(ours, 0, job(seed=1), 0.0), Slot(ours, 1, job(seed=2), 0.0)
    first = bits_of(a)
    assert (first == bits_of(a)).all()
    assert (first != bits_of(b)).any()
    a.step += 1
    assert (first != bits_of(a)).any()
