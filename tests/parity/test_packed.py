"""Packed equals padded: an example computes the same wherever it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from weft.nn.bank import Bank
from weft.text.packing import pack
from weft.text.tokens import Tokens
from weft.training.inference import Packed, logits_of, pooled_of

from .. import tiny
from ..close import assert_all_close, assert_close
from ..tiny import KINDS, Checkpoint, bank, examples, labels, stir
from .peer import padded, peer_of, trainable
from .steps import Part, step

SHAPES = [(kind, pooling) for kind in KINDS for pooling in ("cls", "mean")]
shapes = pytest.mark.parametrize(("kind", "pooling"), SHAPES)
COUNT = 10


def made(kind: str, high: int = 20) -> tuple[Tokens, np.ndarray]:
    """Examples for a kind of encoder, pairs where it can tell the two texts apart."""
    return examples(COUNT, seed=3, high=high, pairs=kind in ("bert", "electra")), labels(COUNT)


def one_by_one(
    folder: Path, ours: Bank, state: dict[str, Tensor], tokens: Tokens, classes: np.ndarray
) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits and gradients of the mean loss, each example alone through the model as it came."""
    model = peer_of(folder, ours, state)
    rows = []
    for index in range(len(tokens)):
        inputs = padded(tokens.take(np.array([index])), model, ours.pad)
        assert inputs.pop("attention_mask").all()
        if ours.backbone.source.pooling == "mean":
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        rows.append(model(**inputs).logits[0])
    logits = torch.stack(rows)
    cross_entropy(logits, torch.from_numpy(classes)).backward()
    grads = {name: p.grad.clone() for name, p in trainable(model).items() if p.grad is not None}
    return logits.detach(), grads


@shapes
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_logits_and_gradients_of_examples_alone(
    checkpoint: Checkpoint, kind: str, pooling: str, precision: str
) -> None:
    folder = checkpoint(kind)
    ours = bank(folder, 2, precision, pooling=pooling)
    assert ours.form != "padded"
    state = stir(ours, 1, seed=3)
    tokens, classes = made(kind)
    logits, gradients = one_by_one(folder, ours, state, tokens, classes)
    for width in (None, 64, 256):
        (got,) = step(ours, [Part(1, tokens, classes)], width)
        assert_close(got.logits, logits, f"logits at width {width}")
        assert_all_close(got.gradients, gradients)
    assert_close(logits_of_slot(ours, 1, tokens), logits, "logits of inference")


def logits_of_slot(ours: Bank, slot: int, tokens: Tokens) -> Tensor:
    """What inference gives, in the checkpoint's own number format."""
    logits = torch.from_numpy(logits_of(ours, slot, Packed.of(tokens, ours)))
    return logits.to(next(iter(ours.trained.values())).dtype)


@shapes
@pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
def test_strip_width_changes_nothing(
    checkpoint: Checkpoint, kind: str, pooling: str, dropout: bool
) -> None:
    ours = bank(checkpoint(kind), 3, pooling=pooling)
    stir(ours, 0, seed=1)
    stir(ours, 2, seed=2)
    tokens, classes = made(kind, high=48)
    stream, other = ((5, 1), (6, 1)) if dropout else (None, None)

    def parts() -> list[Part]:
        return [
            Part(0, examples(4, seed=9), labels(4), other),
            Part(2, tokens, classes, stream),
        ]

    widths = (64, 96, 256)
    strips = [pack([(2, tokens)], pad=0, width=width) for width in widths]
    assert len({packed.segments[0].strips for packed in strips}) == 3
    expected = step(ours, parts(), widths[0])
    for width in widths[1:]:
        for got, same in zip(step(ours, parts(), width), expected, strict=True):
            assert_close(got.logits, same.logits, f"logits at width {width}")
            assert_close(got.loss, same.loss, f"loss at width {width}")
            assert_all_close(got.gradients, same.gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_one_example_a_strip(checkpoint: Checkpoint, kind: str) -> None:
    """With dropout on: strips that hold one example each, and strips that hold several."""
    ours = bank(checkpoint(kind), 1)
    stir(ours, 0, seed=1)
    tokens = examples(6, seed=4, low=17, high=32)
    assert pack([(0, tokens)], pad=0, width=32).segments[0].strips == 6
    assert pack([(0, tokens)], pad=0, width=128).segments[0].strips < 3
    (apart,) = step(ours, [Part(0, tokens, labels(6), (3, 3))], 32)
    (shared,) = step(ours, [Part(0, tokens, labels(6), (3, 3))], 128)
    assert_close(shared.logits, apart.logits, "logits")
    assert_all_close(shared.gradients, apart.gradients)


def test_pooled_is_the_mean_over_an_example_alone(checkpoint: Checkpoint) -> None:
    """Mean pooling counts an example's own tokens and no others."""
    ours = bank(checkpoint("bert"), 1, "float64", pooling="mean")
    tokens = examples(5, seed=2)
    together = pooled_of(ours, 0, Packed.of(tokens, ours))
    for index in range(5):
        own = tokens.take(np.array([index]))
        alone = pooled_of(ours, 0, Packed.of(own, ours))
        np.testing.assert_allclose(together[index], alone[0], rtol=1e-9, atol=1e-12)


def test_token_types_reach_the_encoder(checkpoint: Checkpoint) -> None:
    """The pairs of the tests above differ from the same tokens as one text."""
    ours = bank(checkpoint("bert"), 1)
    stir(ours, 0, seed=1)
    pairs = examples(4, seed=3, pairs=True)
    plain = Tokens(pairs.ids, pairs.types * 0, pairs.offsets)
    apart = logits_of_slot(ours, 0, pairs) - logits_of_slot(ours, 0, plain)
    assert (apart.abs().amax(1) > 1e-3).all()


@shapes
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_flat_layers_are_transformers_own(
    checkpoint: Checkpoint,
    kind: str,
    pooling: str,
    precision: str,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With dropout on, in all places that LoRA may go to: from equal streams the same step."""
    targets = {"distilbert": ("q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2")}.get(
        kind, ("query", "key", "value", "dense")
    )
    outcomes = []
    for form in (tiny.FORM, "strips"):
        monkeypatch.setattr(tiny, "FORM", form)
        ours = bank(checkpoint(kind, dropout=0.2), 3, precision, 0.3, targets, pooling=pooling)
        assert ours.form == ("strips" if form == "strips" or way == "strips" else ours.form)
        stir(ours, 0, seed=1)
        stir(ours, 2, seed=2)
        tokens, classes = made(kind)
        parts = [
            Part(0, examples(4, seed=9), labels(4), (5, 1)),
            Part(2, tokens, classes, (6, 1)),
        ]
        outcomes.append(step(ours, parts))
    for got, same in zip(*outcomes, strict=True):
        assert_close(got.logits, same.logits, "logits")
        assert_all_close(got.gradients, same.gradients)
