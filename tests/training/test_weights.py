"""Examples that count more than others, and runs that bring what judges them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from weft.config import BankSettings, LoraSettings, Recipe
from weft.training import batches
from weft.training.events import EpochEnd, RunEnd
from weft.training.inference import cross_entropy
from weft.training.loop import train
from weft.training.slots import Job

from ..tiny import Checkpoint, bank, examples, judges, labels

RECIPE = Recipe(learning_rate=1e-3, batch_size=4, epochs=2)


def job(run_id: str = "run", **more: object) -> Job:
    return Job(run_id, 3, examples(10, seed=1), labels(10, seed=1), RECIPE, **more)  # type: ignore[arg-type]


def ends(checkpoint: Checkpoint, *jobs: Job) -> dict[str, RunEnd]:
    one = bank(checkpoint("bert"), len(jobs))
    events = train(one, jobs, judges(one), BankSettings(slots=len(jobs)))
    return {event.run_id: event for event in events if isinstance(event, RunEnd)}


def test_the_loss_is_the_mean_of_weighted_losses() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 2, 1, 1, 0])
    weights = torch.tensor([0.5, 2.0, 0.0, 1.0, 1.5], dtype=torch.float64)
    each = -torch.log_softmax(logits, 1)[torch.arange(5), y]
    expected = (each * weights).sum() / 5
    ones = torch.ones(5, dtype=torch.float64)
    assert torch.allclose(batches._loss(logits, y, weights), expected, rtol=1e-14)
    assert torch.allclose(batches._loss(logits, y, ones), batches._loss(logits, y, None))
    ours = cross_entropy(logits.numpy(), y.numpy(), weights.numpy())
    assert ours == pytest.approx(float((each * weights).sum() / weights.sum()))


def test_a_run_with_weights_moves_otherwise_and_its_neighbour_does_not(
    checkpoint: Checkpoint,
) -> None:
    heavy = job("heavy", weights=np.linspace(0.1, 1.9, 10))
    alone, together = ends(checkpoint, job()), ends(checkpoint, heavy, job())
    assert np.allclose(together["run"].validation, alone["run"].validation, atol=1e-5)
    assert not np.allclose(together["heavy"].validation, alone["run"].validation, atol=1e-4)


def test_no_weights_and_weights_of_one_are_the_same(checkpoint: Checkpoint) -> None:
    plain, ones = ends(checkpoint, job()), ends(checkpoint, job(weights=np.ones(10)))
    assert np.allclose(plain["run"].validation, ones["run"].validation, atol=1e-6)


def test_a_run_is_judged_by_its_own_judges(checkpoint: Checkpoint) -> None:
    one = bank(checkpoint("bert"), 2)
    shared = judges(one)
    weights = np.linspace(0, 3, len(shared.validation_labels))
    own = replace(shared, validation_labels=(shared.validation_labels + 1) % 3)
    weighted = replace(shared, validation_weights=weights)
    losses: dict[str, float] = {}
    jobs = [job("own", judges=own), job("weighted", judges=weighted), job("shared", judges=shared)]
    for event in train(one, jobs, None, BankSettings(slots=2)):
        if isinstance(event, EpochEnd) and event.epoch == 1:
            losses[event.run_id] = event.validation_loss
    assert len({round(loss, 6) for loss in losses.values()}) == 3


def test_a_run_with_a_smaller_adapter_ends_as_it_does_alone(checkpoint: Checkpoint) -> None:
    small = LoraSettings(r=2, lora_alpha=1, lora_dropout=0.3, target_modules=("value",))
    one = bank(checkpoint("bert"), 1, update=small)
    (alone,) = [
        event
        for event in train(one, [job()], judges(one), BankSettings(slots=1))
        if isinstance(event, RunEnd)
    ]
    together = ends(checkpoint, job("other"), job("run", lora=small))["run"]
    assert np.allclose(together.validation, alone.validation, atol=1e-5)
    assert set(together.state) == set(alone.state)
    for name, tensor in alone.state.items():
        assert torch.allclose(together.state[name], tensor, atol=1e-4), name
