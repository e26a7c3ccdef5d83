"""The training loop as a device has it: nothing read inside a step, and the same outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from weft.config import BankSettings, LoraSettings, Recipe
from weft.errors import TrainingError
from weft.nn.bank import Bank
from weft.nn.native import library
from weft.training.events import EpochEnd, Event, RunEnd, RunFailed, Settled, Stepped
from weft.training.loop import train
from weft.training.slots import Job, Judges
from weft.training.snapshot import Snapshot, split

from ..tiny import Checkpoint, bank, examples, judges, labels
from .stand_in import as_on_a_device, blind, close

ADAPTER = LoraSettings(r=8, lora_alpha=6, lora_dropout=0.1)
SETTINGS = BankSettings()


def jobs(*, broken: bool = False) -> list[Job]:
    """Of different lengths, one with weights of its examples; where asked, one that breaks."""
    of: list[tuple[str, int, dict[str, Any]]] = [
        ("a", 27, {"epochs": 3, "weight_decay": 0.1}),
        ("b", 9, {"epochs": 2}),
        ("c", 20, {"epochs": 4, "patience": 1, "max_grad_norm": 0.3}),
    ]
    if broken:
        of.insert(1, ("broken", 70, {"learning_rate": 1e36}))
    made = [
        Job(
            name,
            size,
            examples(size, seed=size),
            labels(size, seed=size),
            Recipe.model_validate({"learning_rate": 2e-3, "batch_size": 8} | recipe),
        )
        for name, size, recipe in of
    ]
    made[0] = replace(made[0], weights=np.linspace(0.5, 1.5, 27))
    return made


def told(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """What was told of epochs and ends, without times and weights."""
    found: list[tuple[Any, ...]] = []
    for event in events:
        if isinstance(event, EpochEnd):
            losses = (event.train_loss, event.validation_loss, event.learning_rate)
            found.append((event.run_id, event.epoch, event.train_accuracy, *losses))
        elif isinstance(event, RunEnd):
            found.append((event.run_id, event.epochs, event.best_epoch))
    return found


def weights(events: Sequence[Event]) -> dict[str, torch.Tensor]:
    return {
        f"{event.run_id} {name}": tensor
        for event in events
        if isinstance(event, RunEnd)
        for name, tensor in event.state.items()
    }


@pytest.mark.parametrize("every", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_ends_as_on_a_cpu(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """All slots moved at once, examples moved once, losses read late: to rounding the same."""
    monkeypatch.setattr(library, "serves", lambda *_: False)
    usual = bank(checkpoint("bert"), 2, "float64")
    expected = list(train(usual, jobs(), judges(usual), SETTINGS))
    as_on_a_device(monkeypatch, every)
    ours = bank(checkpoint("bert"), 2, "float64")
    got = list(train(ours, jobs(), judges(ours), SETTINGS))
    for one, other in zip(told(got), told(expected), strict=True):
        assert one[:2] == other[:2]
        assert one[2:] == pytest.approx(other[2:], rel=1e-9)
    assert [type(event) for event in got] == [type(event) for event in expected]
    ends = weights(expected)
    for name, tensor in weights(got).items():
        close(tensor, ends[name], 1e-7)


def test_a_loss_that_is_no_number_is_told_with_its_step(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some steps late; and its neighbours end as if it had never been there."""
    usual = bank(checkpoint("bert"), 3)
    events = list(train(usual, jobs(broken=True), judges(usual), SETTINGS))
    (expected,) = [event for event in events if isinstance(event, RunFailed)]
    as_on_a_device(monkeypatch, 3)
    ours = bank(checkpoint("bert"), 3)
    events = list(train(ours, jobs(broken=True), judges(ours), SETTINGS))
    assert [event for event in events if isinstance(event, RunFailed)] == [expected]
    without = bank(checkpoint("bert"), 3)
    ends = weights(list(train(without, jobs(), judges(without), SETTINGS)))
    found = weights(events)
    assert set(found) == set(ends)
    for name, tensor in found.items():
        close(tensor, ends[name], 1e-3)


def test_a_small_adapter_follows_a_run_that_broke(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same shape: what surrounds it in the bank's tensors is zero again."""
    small = LoraSettings(r=2, lora_alpha=3, lora_dropout=0.1)
    broken, follows = jobs(broken=True)[1], jobs()[1]
    runs = [replace(broken, lora=small), replace(follows, lora=small)]
    ends: list[dict[str, torch.Tensor]] = []
    for given in (runs, runs[1:]):
        with monkeypatch.context() as patch:
            as_on_a_device(patch, 3)
            ours = bank(checkpoint("bert"), 1)
            ends.append(weights(list(train(ours, given, judges(ours), SETTINGS))))
    assert set(ends[0]) == set(ends[1]) != set()
    for name, tensor in ends[0].items():
        close(tensor, ends[1][name], 1e-6)


def failures(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.run_id, event.reason) for event in events if isinstance(event, RunFailed)]


def until(ours: Bank, steps: int) -> tuple[list[Event], Snapshot]:
    """What is told of so many steps, and the state after them, the caller's to keep."""
    seen: list[Event] = []
    for event in train(ours, jobs(broken=True), judges(ours), SETTINGS):
        seen.append(event)
        if isinstance(event, Settled) and sum(isinstance(e, Settled) for e in seen) == steps:
            taken = event.snapshot()
            kept = {name: tensor.clone() for name, tensor in taken.tensors.items()}
            return seen, replace(taken, tensors=kept)
    raise AssertionError("it ended before")


@pytest.mark.slow
@pytest.mark.parametrize("left", [2, 1], ids=["all", "one parked"])
def test_goes_on_from_a_snapshot_taken_between_two_readings(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Bit for bit, failures too; in a bank of fewer slots to rounding, in another order."""
    as_on_a_device(monkeypatch, 5)
    ours = bank(checkpoint("bert"), 2)
    whole = list(train(ours, jobs(broken=True), judges(ours), SETTINGS))
    ends = weights(whole)
    seen, since = until(bank(checkpoint("bert"), 2), 3)
    since = split(since, left)
    assert len(since.words["parked"]) == 2 - left
    second = bank(checkpoint("bert"), left)
    seen += list(train(second, jobs(broken=True), judges(second), SETTINGS, since))
    assert len(failures(seen)) == 1
    assert failures(seen) == failures(whole)
    found = weights(seen)
    assert set(found) == set(ends)
    if left == 2:
        assert told(seen) == told(whole)
        assert all(torch.equal(tensor, ends[name]) for name, tensor in found.items())
    for name, tensor in found.items():
        close(tensor, ends[name], 1e-3)


def test_a_cpus_snapshot_is_refused(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its random bits are others, so nothing would come out as on either."""
    _, since = until(bank(checkpoint("bert"), 2), 1)
    as_on_a_device(monkeypatch)
    ours = bank(checkpoint("bert"), 2)
    with pytest.raises(TrainingError, match="begun on a CPU"):
        next(train(ours, jobs(broken=True), judges(ours), SETTINGS, since))


@pytest.mark.parametrize("update", [ADAPTER, "biases", "head"], ids=["lora", "biases", "head"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("form", ["flat", "strips"])
def test_no_step_reads_a_number(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, form: str, pooling: str, update: Any
) -> None:
    """Steps of a bank that has none to read; with two adapters that differ.

    What is padded is left out: transformers' own code for masks looks into them.
    """
    ours = blind(
        checkpoint("bert"),
        monkeypatch,
        slots_=3,
        precision="bf16",
        form=form,
        pooling=pooling,
        update=update,
    )
    runs = jobs()
    if update == ADAPTER:
        runs[1] = replace(runs[1], lora=LoraSettings(r=4, lora_alpha=2, lora_dropout=0.0))
    assert steps_before_the_first_reading(ours, runs) == 1


def steps_before_the_first_reading(ours: Bank, runs: Sequence[Job]) -> int:
    """Run `b` has two steps an epoch, so its second is read: where that is tried."""
    nobody: Any = None
    events = train(ours, runs, Judges(nobody, nobody, nobody), SETTINGS)
    steps = 0
    while True:
        try:
            steps += isinstance(next(events), Stepped)
        except NotImplementedError:  # torch: the meta device has no data to copy
            return steps
