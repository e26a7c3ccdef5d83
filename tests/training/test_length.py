"""A run of a given length: to its last step, whatever validation says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from weft.config import BankSettings, Recipe
from weft.training.events import EpochEnd, RunEnd, Stepped
from weft.training.inference import Packed
from weft.training.loop import train
from weft.training.slots import Job, Judges, Length

from ..tiny import Checkpoint, bank, examples, labels


def job(**recipe: object) -> Job:
    """20 examples in 3 steps an epoch."""
    settings = Recipe.model_validate({"learning_rate": 5e-3, "batch_size": 8} | recipe)
    return Job("run", 1, examples(20, seed=1), labels(20, seed=1), settings)


@pytest.mark.parametrize("steps", [2, 3, 7])
def test_it_ends_after_its_steps_with_the_weights_it_then_has(
    checkpoint: Checkpoint, steps: int
) -> None:
    """All that selects says no: the labels of validation are wrong, and patience is short."""
    ours = bank(checkpoint("bert"))
    run = replace(job(epochs=1, patience=1), length=Length(steps, horizon=10))
    wrong = Judges(
        Packed.of(run.tokens, ours),
        (run.labels + 1) % 3,
        Packed.of(examples(15, seed=91), ours),
    )
    seen = list(train(ours, [run], wrong, BankSettings()))
    assert len([event for event in seen if isinstance(event, Stepped)]) == steps
    (judged,) = [event for event in seen if isinstance(event, EpochEnd)]
    assert judged.step == steps
    assert judged.learning_rate == pytest.approx(5e-3 * (10 - (steps - 1)) / 10)
    (end,) = [event for event in seen if isinstance(event, RunEnd)]
    for name, tensor in ours.state(0).items():
        assert torch.equal(end.state[name], tensor), name


def test_it_is_the_run_that_validation_would_have_stopped_there(checkpoint: Checkpoint) -> None:
    """The same steps, batches and learning rates as of a run whose epoch was chosen."""
    ours = bank(checkpoint("bert"))
    run = job(epochs=4, patience=9)
    right = Judges(Packed.of(run.tokens, ours), run.labels, Packed.of(examples(15, seed=91), ours))
    (chosen,) = [e for e in train(ours, [run], right, BankSettings()) if isinstance(e, RunEnd)]
    steps = chosen.best_epoch * 3
    again = replace(run, length=Length(steps, horizon=run.total_steps))
    (end,) = [e for e in train(ours, [again], right, BankSettings()) if isinstance(e, RunEnd)]
    np.testing.assert_array_equal(end.test, chosen.test)
