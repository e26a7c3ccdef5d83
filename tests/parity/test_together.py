"""Together equals alone: what a run's neighbours do changes nothing about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.config import BankSettings, Recipe
from weft.export.peft import save_adapter
from weft.nn.bank import Bank
from weft.training import loop
from weft.training.events import EpochEnd, RunEnd
from weft.training.loop import train
from weft.training.slots import Job, Slot

from ..close import assert_all_close, assert_close
from ..tiny import KINDS, Checkpoint, bank, clear, examples, gradients, judges, labels, stir
from .steps import Part, step

dropouts = pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])


@dropouts
@pytest.mark.parametrize(("kind", "pooling"), [*((k, "cls") for k in KINDS), ("bert", "mean")])
def test_one_step_whatever_the_neighbours(
    checkpoint: Checkpoint, kind: str, pooling: str, dropout: bool
) -> None:
    folder = checkpoint(kind)
    together = bank(folder, 5, pooling=pooling)
    alone = bank(folder, 1, pooling=pooling)
    state = stir(together, 2, seed=2)
    alone.load_state(0, state)
    own = examples(8, seed=2), labels(8, seed=2)
    stream = (2, 0) if dropout else None
    (expected,) = step(alone, [Part(0, *own, stream)])
    for scene, neighbours in enumerate([(0, 1, 3, 4), (4,), (0, 3), ()]):
        parts = [Part(2, *own, stream)]
        for slot in neighbours:
            stir(together, slot, seed=100 * scene + slot)
            count, seed = 1 + 5 * slot, 10 * scene + slot
            other = (seed, 7) if dropout else None
            parts.append(Part(slot, examples(count, seed, high=30), labels(count, seed), other))
        parts.sort(key=lambda part: part.slot)
        outcomes = step(together, parts)
        got = outcomes[[part.slot for part in parts].index(2)]
        assert_close(got.logits, expected.logits, "logits")
        assert_close(got.loss, expected.loss, "loss")
        assert_all_close(got.gradients, expected.gradients)
        for slot in set(range(5)) - {part.slot for part in parts}:
            assert not any(g.any() for g in gradients(together, slot).values()), slot


RECIPES = [  # of different lengths, so that runs leave while their neighbours go on
    (27, Recipe(learning_rate=2e-3, batch_size=8, epochs=5, patience=9, weight_decay=0.01)),
    (9, Recipe(learning_rate=3e-3, batch_size=4, epochs=2)),
    (16, Recipe(learning_rate=1e-3, batch_size=5, epochs=3, max_grad_norm=0.1)),
    (40, Recipe(learning_rate=2e-3, batch_size=16, epochs=2)),
    (6, Recipe(learning_rate=1e-3, batch_size=8, epochs=4, patience=1)),
]


def jobs() -> list[Job]:
    """Runs of different sizes, batch sizes and lengths; the last batch of most is a small one."""
    return [
        Job(f"run{k}", 50 + k, examples(size, seed=k), labels(size, seed=k), recipe)
        for k, (size, recipe) in enumerate(RECIPES)
    ]


def trained(
    bank: Bank, runs: Sequence[Job], settings: BankSettings
) -> tuple[dict[tuple[str, int], tuple[EpochEnd, dict[str, Tensor]]], dict[str, RunEnd]]:
    """Each epoch's event with a copy of the weights, and each run's end."""
    epochs: dict[tuple[str, int], tuple[EpochEnd, dict[str, Tensor]]] = {}
    ends: dict[str, RunEnd] = {}
    for event in train(bank, runs, judges(bank), settings):
        if isinstance(event, EpochEnd):
            copy = {name: tensor.clone() for name, tensor in event.state.items()}
            epochs[event.run_id, event.epoch] = event, copy
        elif isinstance(event, RunEnd):
            ends[event.run_id] = event
    return epochs, ends


@dropouts
def test_every_step_while_neighbours_come_and_go(checkpoint: Checkpoint, dropout: bool) -> None:
    """From equal state at each step: the gradients that the optimiser of a run is handed."""
    folder = checkpoint("bert")
    together, alone = bank(folder, 3), bank(folder, 1)
    waiting = jobs()[1:]
    run = Slot(together, 1, jobs()[0], 0.0)  # 20 steps, in the middle slot
    others: dict[int, Slot] = {}
    company: set[tuple[str, ...]] = set()
    for _ in range(20):
        for index in (0, 2):
            if index not in others and waiting:
                others[index] = Slot(together, index, waiting.pop(0), 0.0)
        active = sorted([run, *others.values()], key=lambda slot: slot.index)
        company.add(tuple(slot.job.run_id for slot in active))
        parts = []
        for slot in active:
            batch = slot.next_batch()
            stream = (slot.job.seed, slot.step) if dropout else None
            own = slot.job.tokens.take(batch), slot.job.labels[batch]
            parts.append(Part(slot.index, *own, stream))
        alone.load_state(0, together.state(1))
        place = active.index(run)
        mine = parts[place]
        (expected,) = step(alone, [Part(0, mine.tokens, mine.labels, mine.stream)])
        got = step(together, parts)[place]
        assert_close(got.loss, expected.loss, "loss")
        assert_all_close(got.gradients, expected.gradients)
        for slot in active:
            slot.clip()
            slot.update()
            if slot.epoch_ended:
                slot.next_epoch()
            if slot is not run and slot.step >= slot.job.total_steps:
                del others[slot.index]
        clear(together)
    assert len(company) >= 4, company


@pytest.mark.parametrize("together_at_most", [1 << 20, 150])
@dropouts
def test_weights_after_whole_runs_in_float64(
    checkpoint: Checkpoint, dropout: bool, together_at_most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All neighbours in one pass, and a few at a time."""
    monkeypatch.setitem(loop._TOGETHER, "cpu", together_at_most)
    rate = 0.1 if dropout else 0.0
    folder = checkpoint("bert", dropout=rate)
    together = bank(folder, 3, "float64", lora_dropout=rate)
    epochs, ends = trained(together, jobs(), BankSettings())
    assert epochs["run0", 5][0].step == 20
    for job in jobs():
        alone, own = trained(
            bank(folder, 1, "float64", lora_dropout=rate), [job], BankSettings(strip_width=64)
        )
        assert {epoch for run, epoch in epochs if run == job.run_id} == {e for _, e in alone}
        for key, (event, weights) in alone.items():
            assert_all_close(epochs[key][1], weights)
            for figure in ("train_loss", "validation_loss", "learning_rate", "train_accuracy"):
                assert getattr(epochs[key][0], figure) == pytest.approx(
                    getattr(event, figure), rel=1e-9
                )
        ours, theirs = ends[job.run_id], own[job.run_id]
        assert (ours.epochs, ours.best_epoch) == (theirs.epochs, theirs.best_epoch)
        assert_all_close(dict(ours.state), dict(theirs.state))
        np.testing.assert_allclose(ours.test, theirs.test, atol=1e-9)
        np.testing.assert_allclose(ours.validation, theirs.validation, atol=1e-9)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_exact_is_bit_for_bit_to_the_saved_files(
    checkpoint: Checkpoint, kind: str, precision: str, tmp_path: Path
) -> None:
    folder = checkpoint(kind)
    together = bank(folder, 3, precision)
    epochs, ends = trained(together, jobs(), BankSettings(exact=True))
    assert len(ends) == len(RECIPES) > together.slots  # so slots were filled again
    for job in jobs():
        alone = bank(folder, 1, precision)
        own_epochs, own_ends = trained(alone, [job], BankSettings())
        for key, (event, weights) in own_epochs.items():
            assert all(
                torch.equal(epochs[key][1][name], tensor) for name, tensor in weights.items()
            )
            assert epochs[key][0].train_loss == event.train_loss
            assert epochs[key][0].validation_loss == event.validation_loss
        ours, theirs = ends[job.run_id], own_ends[job.run_id]
        assert ours.test.tobytes() == theirs.test.tobytes()
        assert ours.validation.tobytes() == theirs.validation.tobytes()
        written = []
        for name, owner, end in (("together", together, ours), ("alone", alone, theirs)):
            target = tmp_path / name / job.run_id
            target.mkdir(parents=True)
            save_adapter(target, owner, end.state)
            written.append({path.name: path.read_bytes() for path in target.iterdir()})
        assert written[0] == written[1]
        assert any(tensor.any() for name, tensor in ours.state.items() if "lora_B" in name)
