"""What a run draws at a step is fixed by its seed and the step, and by nothing else."""

from __future__ import annotations

from weft.training.slots import Slot

from ..tiny import Checkpoint, bank
from .test_loop import job


def test_dropout_differs_by_step_and_by_seed(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    a, b = Slot(ours, 0, job(seed=1), 0.0), Slot(ours, 1, job(seed=2), 0.0)
    first = a.stream().keep(4096, 6554)
    assert (first == a.stream().keep(4096, 6554)).all()
    assert (first != b.stream().keep(4096, 6554)).any()
    a.step += 1
    assert (first != a.stream().keep(4096, 6554)).any()
