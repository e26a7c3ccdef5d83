"""From any snapshot training goes on bit for bit as if it had never stopped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from weft.config import BankSettings, Recipe
from weft.errors import TrainingError
from weft.nn.bank import Bank
from weft.nn.shapes import Update
from weft.training.checkpoint import load_snapshot, save_snapshot
from weft.training.events import EpochEnd, Event, RunBegin, RunEnd, RunFailed, Settled, Stepped
from weft.training.loop import train
from weft.training.slots import Job
from weft.training.snapshot import Snapshot

from ..tiny import Checkpoint, bank, examples, judges, labels


def jobs(rate: float = 2e-3) -> list[Job]:
    """Six runs: one ends in NaN, one is judged every second epoch, one stops after two worse."""
    of: list[tuple[str, int, dict[str, Any]]] = [
        ("a", 20, {"epochs": 3}),
        ("b", 9, {"epochs": 6, "evaluations": 3}),
        ("broken", 16, {"learning_rate": 1e36}),
        ("c", 13, {"epochs": 2, "weight_decay": 0.1}),
        ("d", 4, {"epochs": 4, "patience": 1}),
        ("e", 12, {"epochs": 20, "patience": 2, "learning_rate": 2e-2}),
    ]
    return [
        Job(
            name,
            seed,
            examples(size, seed=seed),
            labels(size, seed=seed),
            Recipe.model_validate({"learning_rate": rate, "batch_size": 8} | recipe),
        )
        for seed, (name, size, recipe) in enumerate(of)
    ]


def told(events: Iterable[Event]) -> list[Any]:
    """What was told, times left out, tensors as bytes."""
    found: list[Any] = []
    for event in events:
        match event:
            case EpochEnd() | RunEnd():
                own = {k: v for k, v in vars(event).items() if "second" not in k}
                own["state"] = {name: t.numpy().tobytes() for name, t in event.state.items()}
                found.append(
                    {k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in own.items()}
                )
            case RunBegin() | RunFailed() | Stepped():
                found.append(event)
            case Settled():
                found.append("settled")
    return found


UPDATES: list[tuple[Update | None, int]] = [(None, 2), ("biases", 3), ("all", 1)]


@pytest.mark.parametrize(("update", "slots"), UPDATES)
def test_a_new_bank_goes_on_from_every_snapshot(
    checkpoint: Checkpoint, tmp_path: Path, update: Update | None, slots: int
) -> None:
    folder, settings = checkpoint("bert"), BankSettings()
    whole: list[Any] = []
    kept: list[tuple[int, Path]] = []
    ours = bank(folder, slots, update=update)
    for event in train(ours, jobs(), judges(ours), settings):
        whole += told([event])
        if isinstance(event, Settled):
            path = tmp_path / f"{len(whole)}.safetensors"
            save_snapshot(path, event.snapshot())
            kept.append((len(whole), path))
    assert any(isinstance(event, RunFailed) for event in whole)
    (last,) = (own["epochs"] for own in whole if isinstance(own, dict) and _ended(own, "e"))
    assert last < 20  # so it matters how many were worse
    other = bank(folder, slots, update=update)  # used again: all of it is put back
    for place, path in kept[1::2]:
        snapshot = load_snapshot(path)
        after = told(train(other, jobs(), judges(other), settings, snapshot))
        assert after == whole[place:], path.name


def _ended(told: dict[str, Any], run_id: str) -> bool:
    return told["run_id"] == run_id and "best_epoch" in told


def test_time_goes_on_where_it_stood(checkpoint: Checkpoint) -> None:
    """What passes between two sessions is no part of a run's seconds."""
    ours = bank(checkpoint("bert"), 1)
    taken = snapshot_of(ours, jobs()[:1])
    (seat,) = taken.words["seated"]
    seat = {**seat, "seconds": {"run": 100.0, "epoch": 50.0}}
    snapshot = Snapshot(taken.tensors, {**taken.words, "seated": [seat]})
    rest = list(train(ours, jobs()[:1], judges(ours), BankSettings(), snapshot))
    (end,) = (event for event in rest if isinstance(event, RunEnd))
    assert 100 < end.seconds < 160
    assert 50 < next(e for e in rest if isinstance(e, EpochEnd)).seconds < 110


def snapshot_of(ours: Bank, runs: list[Job]) -> Snapshot:
    for event in train(ours, runs, judges(ours), BankSettings()):
        if isinstance(event, Settled):
            taken = event.snapshot()
            return Snapshot({name: t.clone() for name, t in taken.tensors.items()}, taken.words)
    raise AssertionError("no step was settled")


def test_one_that_held_nothing_out_goes_on_from_the_best_epoch(checkpoint: Checkpoint) -> None:
    ours, (run, *_) = bank(checkpoint("bert"), 1), jobs()
    events = train(ours, [run], judges(ours), BankSettings())
    while not isinstance(next(events), EpochEnd):
        pass
    settled = next(events)
    assert isinstance(settled, Settled)
    taken = settled.snapshot()
    tensors = {n: t.clone() for n, t in taken.tensors.items() if "/held out/" not in n}
    assert len(tensors) == len(taken.tensors) - 2
    older = Snapshot(tensors, {**taken.words, "schema": 2})
    whole = [event for event in events if isinstance(event, RunEnd)]
    rest = train(ours, [run], judges(ours), BankSettings(), older)
    after = [event for event in rest if isinstance(event, RunEnd)]
    assert np.array_equal(after[0].validation, whole[0].validation)
    kept = after[0].held_out
    assert kept.shape == whole[0].held_out.shape
    # what the epoch before had is still there where no later one was better
    assert (kept == after[0].validation).all(axis=1).any()
    assert np.allclose(kept.sum(axis=1), 1)


def test_a_snapshot_of_other_runs_is_refused(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    runs = jobs()
    snapshot = snapshot_of(ours, runs)
    assert snapshot.seated == {"a": 1, "b": 1}
    assert snapshot.waiting == ["broken", "c", "d", "e"]

    def refused(what: str, given: list[Job], since: Snapshot, where: Bank = ours) -> None:
        with pytest.raises(TrainingError, match=what):
            next(train(where, given, judges(where), BankSettings(), since))

    refused("the run e", runs[:5], snapshot)
    other = Job("a", 77, runs[0].tokens, runs[0].labels, runs[0].recipe)
    refused("another seed", [other, *runs[1:]], snapshot)
    refused("schema 4", runs, Snapshot(snapshot.tensors, {**snapshot.words, "schema": 4}))
    refused("2 slots", runs, snapshot, bank(checkpoint("bert"), 3))


def test_a_snapshot_costs_no_copy_of_the_bank(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    (tensors,) = (
        event.snapshot().tensors
        for event in train(ours, jobs()[4:], judges(ours), BankSettings())
        if isinstance(event, Settled) and event.over
    )
    for name, parameter in ours.trained.items():
        assert tensors[f"bank/{name}"].data_ptr() == parameter.data_ptr()
    assert all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
