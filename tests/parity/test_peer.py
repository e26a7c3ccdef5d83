"""Ours equals theirs: transformers, PEFT and torch's AdamW on the same weights and batch."""

from __future__ import annotations

import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from weft.config import Recipe
from weft.text.packing import pack
from weft.training.slots import Job, Slot

from ..close import assert_all_close, assert_close
from ..tiny import KINDS, Checkpoint, bank, examples, labels, stir
from .peer import REPLAY, Recorder, peer_of, register, replaying, trainable
from .peer import step as peer_step
from .steps import Part, step

SHAPES = [(kind, "cls") for kind in KINDS] + [("bert", "mean")]
shapes = pytest.mark.parametrize(("kind", "pooling"), SHAPES)
precisions = pytest.mark.parametrize("precision", ["float32", "float64"])


@shapes
@precisions
def test_logits_loss_and_gradients(
    checkpoint: Checkpoint, kind: str, pooling: str, precision: str
) -> None:
    folder = checkpoint(kind)
    ours = bank(folder, 3, precision, pooling=pooling)
    state = stir(ours, 1, seed=4)
    theirs = peer_of(folder, ours, state)
    tokens, classes = examples(9, seed=5, pairs=kind in ("bert", "electra")), labels(9)
    (got,) = step(ours, [Part(1, tokens, classes)])
    logits, loss, gradients = peer_step(theirs, tokens, classes, ours.pad)
    assert_close(got.logits, logits, "logits")
    assert_close(got.loss, loss, "loss")
    assert_all_close(got.gradients, gradients)


@shapes
@precisions
def test_the_same_with_our_dropout_replayed(
    checkpoint: Checkpoint, kind: str, pooling: str, precision: str
) -> None:
    register()
    folder = checkpoint(kind, dropout=0.2)
    ours = bank(folder, 2, precision, pooling=pooling, lora_dropout=0.3)
    state = stir(ours, 1, seed=6)
    theirs = peer_of(folder, ours, state, attention=REPLAY)
    recorder = Recorder(ours)
    tokens, classes = examples(7, seed=8), labels(7)
    recorder.strips = pack([(1, tokens)], pad=ours.pad, form=ours.form)
    (got,) = step(ours, [Part(1, tokens, classes, stream=(11, 3))])
    assert recorder.drawn
    theirs.train()
    with replaying(theirs, recorder.drawn):
        logits, loss, gradients = peer_step(theirs, tokens, classes, ours.pad)
    assert_close(got.logits, logits, "logits")
    assert_close(got.loss, loss, "loss")
    assert_all_close(got.gradients, gradients)


RECIPE = Recipe(learning_rate=3e-3, batch_size=8, epochs=5, weight_decay=0.01, max_grad_norm=0.5)


@pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
@pytest.mark.parametrize(("precision", "steps"), [("float32", 1), ("float64", 20)])
@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_optimiser_steps(
    checkpoint: Checkpoint, kind: str, precision: str, steps: int, dropout: bool
) -> None:
    """Clipping, AdamW with weight decay and the linear schedule, over epochs with a short batch."""
    register()
    folder = checkpoint(kind)
    ours = bank(folder, 2, precision, lora_dropout=0.1)
    tokens, classes = examples(28, seed=1), labels(28)
    slot = Slot(ours, 1, Job("run", 7, tokens, classes, RECIPE), 0.0)
    theirs = peer_of(folder, ours, stir(ours, 1, 2), attention=REPLAY if dropout else "eager")
    parameters = trainable(theirs)
    optimiser = torch.optim.AdamW(parameters.values(), lr=3e-3, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimiser, 0, 5 * 4)
    recorder = Recorder(ours)
    theirs.train(dropout)
    clipped = []
    for _ in range(steps):
        batch = slot.next_batch()
        own, right = tokens.take(batch), classes[batch]
        recorder.strips = pack([(1, own)], pad=ours.pad, form=ours.form)
        strips = recorder.strips
        logits = ours(strips, [slot.stream()] if dropout else None)
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(right)).backward()
        slot.clip()
        slot.update()
        if slot.epoch_ended:
            slot.next_epoch()
        if dropout:
            with replaying(theirs, recorder.drawn):
                peer_step(theirs, own, right, ours.pad)
        else:
            peer_step(theirs, own, right, ours.pad)
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), 0.5)
        clipped.append(norm > 0.5)
        optimiser.step()
        schedule.step()
    assert any(clipped)
    moved = {name: parameter.detach() for name, parameter in parameters.items()}
    assert_all_close(ours.state(1), moved)
