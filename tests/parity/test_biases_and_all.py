"""BitFit and full fine-tuning: ours equals theirs, together equals alone, and runs learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import get_linear_schedule_with_warmup

from weft.config import BankSettings, Recipe
from weft.nn.bank import Bank
from weft.nn.shapes import Update
from weft.text.packing import pack
from weft.training.events import EpochEnd, RunEnd, RunFailed
from weft.training.inference import Packed
from weft.training.loop import train
from weft.training.slots import Job, Judges, Slot

from ..close import TOLERANCE, assert_all_close, assert_close
from ..tiny import CLASSES, KINDS, Checkpoint, bank, examples, gradients, judges, labels
from .peer import REPLAY, Recorder, padded, plain_peer_of, register, replaying, trainable
from .peer import step as peer_step
from .steps import Part, step

SHAPES = [(kind, "cls") for kind in KINDS] + [("bert", "mean")]
shapes = pytest.mark.parametrize(("kind", "pooling"), SHAPES)
updates = pytest.mark.parametrize("update", ["biases", "all"])
precisions = pytest.mark.parametrize("precision", ["float32", "float64"])
KEYS = ("key.bias", "k_lin.bias")
"""No loss depends on these: all scores of a query move alike. What comes out is rounding."""


def shaken(ours: Bank, slot: int, seed: int) -> dict[str, Tensor]:
    """A slot's initial weights with noise on all of them, and copies of them."""
    ours.enter(slot, seed)
    generator = torch.Generator().manual_seed(seed)
    for tensor in ours.state(slot).values():
        tensor += 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return {name: tensor.clone() for name, tensor in ours.state(slot).items()}


def without_keys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(KEYS)}


def assert_same_gradients(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Each close, but for those that are nothing but rounding, which must be as small as that."""
    largest = max(float(tensor.abs().max()) for tensor in theirs.values())
    assert_all_close(without_keys(ours), without_keys(theirs))
    for name in theirs:
        if name.endswith(KEYS):
            assert ours[name].abs().max() <= TOLERANCE[ours[name].dtype] * largest, name


@shapes
@precisions
@updates
def test_logits_loss_and_gradients(
    checkpoint: Checkpoint, kind: str, pooling: str, precision: str, update: Update
) -> None:
    folder = checkpoint(kind)
    slot, slots = (1, 3) if update == "biases" else (0, 1)
    ours = bank(folder, slots, precision, update=update, pooling=pooling)
    theirs = plain_peer_of(folder, ours, shaken(ours, slot, seed=4))
    tokens, classes = examples(9, seed=5, pairs=kind in ("bert", "electra")), labels(9)
    (got,) = step(ours, [Part(slot, tokens, classes)])
    logits, loss, expected = peer_step(theirs, tokens, classes, ours.pad)
    assert_close(got.logits, logits, "logits")
    assert_close(got.loss, loss, "loss")
    assert_same_gradients(got.gradients, expected)


@shapes
@updates
def test_the_same_with_our_dropout_replayed(
    checkpoint: Checkpoint, kind: str, pooling: str, update: Update
) -> None:
    register()
    folder = checkpoint(kind, dropout=0.2)
    ours = bank(folder, 1, "float64", update=update, pooling=pooling)
    theirs = plain_peer_of(folder, ours, shaken(ours, 0, seed=6), attention=REPLAY)
    recorder = Recorder(ours)
    tokens, classes = examples(7, seed=8), labels(7)
    recorder.strips = pack([(0, tokens)], pad=ours.pad, form=ours.form)
    (got,) = step(ours, [Part(0, tokens, classes, stream=(11, 3))])
    assert recorder.drawn
    theirs.train()
    with replaying(theirs, recorder.drawn):
        logits, _, expected = peer_step(theirs, tokens, classes, ours.pad)
    assert_close(got.logits, logits, "logits")
    assert_same_gradients(got.gradients, expected)


@pytest.mark.parametrize(
    ("precision", "steps", "rate"), [("float32", 1, 2e-5), ("float64", 20, 3e-3)]
)
@pytest.mark.parametrize("kind", ["bert", "distilbert"])
@updates
def test_optimiser_steps(
    checkpoint: Checkpoint, kind: str, precision: str, steps: int, rate: float, update: Update
) -> None:
    """Clipping, AdamW with weight decay and the linear schedule, over epochs with a short batch."""
    folder = checkpoint(kind)
    ours = bank(folder, 1, precision, update=update)
    tokens, classes = examples(28, seed=1), labels(28)
    recipe = Recipe(
        learning_rate=rate, batch_size=8, epochs=5, weight_decay=0.01, max_grad_norm=0.5
    )
    slot = Slot(ours, 0, Job("run", 7, tokens, classes, recipe), 0.0)
    before = shaken(ours, 0, 2)
    theirs = plain_peer_of(folder, ours, before)
    parameters = trainable(theirs)
    optimiser = torch.optim.AdamW(parameters.values(), lr=rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimiser, 0, 5 * 4)
    clipped = []
    for _ in range(steps):
        batch = slot.next_batch()
        own, right = tokens.take(batch), classes[batch]
        logits = ours(pack([(0, own)], pad=ours.pad, form=ours.form))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(right)).backward()
        slot.clip()
        slot.update()
        if slot.epoch_ended:
            slot.next_epoch()
        peer_step(theirs, own, right, ours.pad)
        clipped.append(torch.nn.utils.clip_grad_norm_(parameters.values(), 0.5) > 0.5)
        optimiser.step()
        schedule.step()
    assert any(clipped)
    moved = {name: parameter.detach() for name, parameter in parameters.items()}
    state = ours.state(0)
    assert all(not torch.equal(state[name], tensor) for name, tensor in before.items())
    if precision == "float32":  # Adam makes whole steps of rounding
        state, moved = without_keys(state), without_keys(moved)
    assert_all_close(state, moved)


@pytest.mark.parametrize(("kind", "pooling"), [("bert", "cls"), ("distilbert", "mean")])
@pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
def test_biases_of_a_run_whatever_the_neighbours(
    checkpoint: Checkpoint, kind: str, pooling: str, dropout: bool
) -> None:
    folder = checkpoint(kind)
    together = bank(folder, 4, update="biases", pooling=pooling)
    alone = bank(folder, 1, update="biases", pooling=pooling)
    alone.load_state(0, shaken(together, 2, seed=2))
    own = examples(8, seed=2), labels(8, seed=2)
    stream = (2, 0) if dropout else None
    (expected,) = step(alone, [Part(0, *own, stream)])
    for neighbours in ((0, 1, 3), (3,), ()):
        parts = [Part(2, *own, stream)]
        for slot in neighbours:
            shaken(together, slot, seed=slot)
            other = (slot, 7) if dropout else None
            parts.append(Part(slot, examples(1 + 4 * slot, slot), labels(1 + 4 * slot), other))
        parts.sort(key=lambda part: part.slot)
        got = step(together, parts)[[part.slot for part in parts].index(2)]
        assert_close(got.logits, expected.logits, "logits")
        assert_same_gradients(got.gradients, expected.gradients)
        for slot in set(range(4)) - {part.slot for part in parts}:
            assert not any(g.any() for g in gradients(together, slot).values()), slot


@updates
def test_strip_width_and_company_change_nothing_of_what_is_learnt(
    checkpoint: Checkpoint, update: Update
) -> None:
    """Whole runs in float64: a few at a time, one after the other, narrow strips and wide."""
    folder = checkpoint("bert")
    recipe = Recipe(learning_rate=1e-3, batch_size=8, epochs=2)
    runs = [Job(f"run{k}", k, examples(20, seed=k), labels(20, seed=k), recipe) for k in range(3)]

    def ends(slots: int, width: int | None, jobs: list[Job]) -> dict[str, RunEnd]:
        ours = bank(folder, slots, "float64", update=update)
        events = train(ours, jobs, judges(ours), BankSettings(strip_width=width))
        return {event.run_id: event for event in events if isinstance(event, RunEnd)}

    together = ends(2 if update == "biases" else 1, None, runs)
    for run in runs:
        (alone,) = ends(1, 64, [run]).values()
        np.testing.assert_allclose(together[run.run_id].test, alone.test, atol=1e-9)
        assert_all_close(dict(together[run.run_id].state), dict(alone.state))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize(("update", "rate"), [("biases", 1e-2), ("all", 1e-3)])
def test_it_learns_and_a_broken_run_leaves_the_next_as_it_would_be(
    checkpoint: Checkpoint, update: Update, rate: float, precision: str
) -> None:
    """What is learnt is its own validation set, by heart."""
    ours = bank(checkpoint("bert", dropout=0.0), 1, precision, update=update)
    tokens, classes = examples(24, seed=1), labels(24, seed=1)
    recipe = Recipe(learning_rate=rate, batch_size=8, epochs=12, patience=12)
    good = Job("good", 1, tokens, classes, recipe)
    broken = Job("broken", 2, tokens, classes, recipe.model_copy(update={"learning_rate": 1e36}))
    packed = Packed.of(tokens, ours)
    seen = list(train(ours, [broken, good], Judges(packed, classes, packed), BankSettings()))
    (failed,) = (event for event in seen if isinstance(event, RunFailed))
    assert failed.run_id == "broken"
    losses = [e.validation_loss for e in seen if isinstance(e, EpochEnd) and e.run_id == "good"]
    assert losses[-1] < 0.8 * math.log(CLASSES), losses
    (end,) = (event for event in seen if isinstance(event, RunEnd))
    fresh = bank(checkpoint("bert", dropout=0.0), 1, precision, update=update)
    judge = Judges(Packed.of(tokens, fresh), classes, Packed.of(tokens, fresh))
    again = [e for e in train(fresh, [good], judge, BankSettings()) if isinstance(e, RunEnd)]
    assert np.array_equal(end.test, again[0].test)


@updates
@pytest.mark.parametrize(("kind", "pooling"), [("bert", "cls"), ("distilbert", "mean")])
def test_error_of_gradients_in_bfloat16(
    checkpoint: Checkpoint, kind: str, pooling: str, update: Update
) -> None:
    """No further from float64's than those of torch's autocast."""
    ours, theirs = [], []
    for seed in range(8):
        own, autocast = _errors(checkpoint(kind, seed=seed), pooling, update, seed)
        ours.append(own)
        theirs.append(autocast)
    assert min(ours) > 1e-4  # it is bfloat16 that is measured
    assert np.mean(ours) <= 1.05 * np.mean(theirs)


def _errors(folder: Path, pooling: str, update: Update, seed: int) -> tuple[float, float]:
    tokens, classes = examples(16, seed=seed), labels(16, seed=seed)
    exact = bank(folder, 1, "float64", update=update, pooling=pooling)
    exact.enter(0, seed)
    (reference,) = step(exact, [Part(0, tokens, classes)])
    half = bank(folder, 1, "bf16", update=update, pooling=pooling)
    half.enter(0, seed)
    (got,) = step(half, [Part(0, tokens, classes)])
    peer = plain_peer_of(folder, half, half.state(0), attention="sdpa")
    with torch.autocast("cpu", torch.bfloat16):
        logits = peer(**padded(tokens, peer, half.pad)).logits
    torch.nn.functional.cross_entropy(logits.float(), torch.from_numpy(classes)).backward()
    autocast = {name: p.grad for name, p in trainable(peer).items() if p.grad is not None}
    return _error(got.gradients, reference.gradients), _error(autocast, reference.gradients)


def _error(got: Mapping[str, Tensor], exact: Mapping[str, Tensor]) -> float:
    """Relative error in L2 over all tensors together."""
    assert got.keys() == exact.keys()
    apart = sum(float((got[n].double() - tensor).square().sum()) for n, tensor in exact.items())
    return (apart / sum(float(tensor.square().sum()) for tensor in exact.values())) ** 0.5
