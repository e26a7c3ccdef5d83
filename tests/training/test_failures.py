"""A run that breaks fails by itself: its neighbours end as they would have without it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from weft.config import BankSettings, Recipe
from weft.nn.bank import Bank
from weft.training.events import EpochEnd, RunEnd, RunFailed
from weft.training.loop import train
from weft.training.slots import Job

from ..tiny import Checkpoint, bank, examples, judges, labels

EXACT = BankSettings(exact=True)


def job(run_id: str, seed: int, rate: float, **recipe: object) -> Job:
    settings = Recipe.model_validate({"batch_size": 8, "epochs": 3, "learning_rate": rate} | recipe)
    return Job(run_id, seed, examples(20, seed=seed), labels(20, seed=seed), settings)


def ended(bank: Bank, runs: Sequence[Job], settings: BankSettings) -> tuple[dict, dict, list]:
    """Ends and failures by run, and the names of all runs that ended an epoch."""
    ends: dict[str, RunEnd] = {}
    failures: dict[str, RunFailed] = {}
    epochs: list[str] = []
    for event in train(bank, runs, judges(bank), settings):
        if isinstance(event, RunEnd):
            ends[event.run_id] = event
        elif isinstance(event, RunFailed):
            failures[event.run_id] = event
        elif isinstance(event, EpochEnd):
            epochs.append(event.run_id)
    return ends, failures, epochs


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("rate", [1e20, 1e36])
def test_a_loss_that_is_no_number_fails_its_run_alone(
    checkpoint: Checkpoint, rate: float, exact: bool
) -> None:
    folder = checkpoint("bert")
    settings = BankSettings(exact=exact)
    good = [job("left", 1, 1e-3), job("right", 2, 1e-3), job("next", 3, 1e-3)]
    ours = bank(folder, 3)
    ends, failures, epochs = ended(ours, [good[0], job("broken", 9, rate), *good[1:]], settings)
    assert set(failures) == {"broken"}
    assert set(ends) == {"left", "right", "next"}  # `next` sits where `broken` sat
    assert "broken" not in epochs
    assert "epoch 1" in failures["broken"].reason
    assert "learning rate" in failures["broken"].reason
    for run in good:
        (alone,) = ended(bank(folder, 1), [run], EXACT)[0].values()
        for name, tensor in alone.state.items():
            if exact:
                assert torch.equal(ends[run.run_id].state[name], tensor), (run.run_id, name)
            else:
                difference = (ends[run.run_id].state[name] - tensor).abs().max()
                assert difference <= 1e-3 * tensor.abs().max(), (run.run_id, name)


@pytest.mark.parametrize("recipe", [{"epochs": 1}, {"epochs": 4, "patience": 1}])
def test_a_run_whose_validation_is_no_number_fails_alone(
    checkpoint: Checkpoint, recipe: dict[str, int]
) -> None:
    """The last step of an epoch breaks the weights: no training loss has shown it yet."""
    broken = job("broken", 9, 1e36, **recipe, batch_size=20)  # one step an epoch
    good = job("good", 1, 1e-3)
    ends, failures, _ = ended(bank(checkpoint("bert"), 2), [broken, good], EXACT)
    assert set(failures) == {"broken"}
    assert set(ends) == {"good"}
    (alone,) = ended(bank(checkpoint("bert"), 1), [good], EXACT)[0].values()
    for name, tensor in alone.state.items():
        assert torch.equal(ends["good"].state[name], tensor), name


def test_the_only_run_fails(checkpoint: Checkpoint) -> None:
    ends, failures, _ = ended(bank(checkpoint("bert"), 2), [job("broken", 9, 1e36)], EXACT)
    assert not ends
    assert set(failures) == {"broken"}
