"""Slots of one bank with adapters of different rank, alpha, dropout and targets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from weft.config import LoraSettings
from weft.errors import ConfigError
from weft.export.peft import read_adapter, save_adapter
from weft.nn.shapes import PREFIX, hull

from ..close import assert_all_close, assert_close
from ..tiny import Checkpoint, bank, clear, examples, gradients, labels, stir
from .steps import Part, step

FORMS = [("bert", "cls"), ("bert", "mean"), ("distilbert", "cls")]
OF = {"bert": ("query", "value", "dense"), "distilbert": ("q_lin", "v_lin", "lin1")}


def adapters(kind: str) -> list[LoraSettings]:
    query, value, other = OF[kind]
    return [
        LoraSettings(r=4, lora_alpha=6, lora_dropout=0.1, target_modules=(query, value)),
        LoraSettings(r=1, lora_alpha=3, lora_dropout=0.0, target_modules=(query, value)),
        LoraSettings(r=2, lora_alpha=2, lora_dropout=0.5, target_modules=(value,)),
        LoraSettings(r=3, lora_alpha=3, lora_dropout=0.2, target_modules=(other,)),
        LoraSettings(r=4, lora_alpha=6, lora_dropout=0.1, target_modules=(query, value)),
    ]


def test_the_hull_holds_them_all() -> None:
    found = hull(adapters("bert"), ("query", "value"))
    assert (found.r, found.target_modules) == (4, ("dense", "query", "value"))
    usual = [LoraSettings(r=2), LoraSettings(r=8, lora_alpha=1)]
    assert hull(usual, ("query",)).target_modules is None
    assert hull([*usual, LoraSettings(target_modules=("key",))], ("query",)).target_modules == (
        "key",
        "query",
    )


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
@pytest.mark.parametrize(("kind", "pooling"), FORMS)
def test_each_computes_what_a_bank_of_its_own_computes(
    checkpoint: Checkpoint, kind: str, pooling: str, dropout: bool, precision: str
) -> None:
    folder, given = checkpoint(kind), adapters(kind)
    together = bank(folder, len(given), precision, update=hull(given, ()), pooling=pooling)
    parts, expected = [], []
    for slot, lora in enumerate(given):
        alone = bank(folder, 1, precision, update=lora, pooling=pooling)
        alone.enter(0, seed=slot)
        together.enter(slot, slot, lora)
        assert_all_close(together.state(slot), dict(alone.state(0)))
        state = stir(alone, 0, seed=slot)
        together.load_state(slot, state)
        own = examples(6, seed=slot), labels(6, seed=slot)
        stream = (slot, 3) if dropout else None
        (outcome,) = step(alone, [Part(0, *own, stream)])
        expected.append((outcome, gradients(alone, 0)))
        parts.append(Part(slot, *own, stream))
    outcomes = step(together, parts)
    for slot, (alone_outcome, own_gradients) in enumerate(expected):
        assert_close(outcomes[slot].logits, alone_outcome.logits, f"logits {slot}")
        assert_close(outcomes[slot].loss, alone_outcome.loss, f"loss {slot}")
        whole = gradients(together, slot)
        lora = given[slot]
        for name, gradient in whole.items():
            if name not in own_gradients:
                assert not gradient.any(), name
                continue
            inside = own_gradients[name]
            rest = gradient.clone()
            if ".lora_A" in name:
                assert_close(gradient[: lora.r], inside, name)
                rest[: lora.r] = 0
            elif ".lora_B" in name:
                assert_close(gradient[:, : lora.r], inside, name)
                rest[:, : lora.r] = 0
            else:
                assert_close(gradient, inside, name)
                rest[:] = 0
            assert not rest.any(), name


def test_a_slot_forgets_the_adapter_it_had(checkpoint: Checkpoint) -> None:
    given = adapters("bert")
    one = bank(checkpoint("bert"), 1, update=hull(given, ()))
    fresh = bank(checkpoint("bert"), 1, update=hull(given, ()))
    one.enter(0, 5, given[3])
    stir(one, 0, seed=1)
    clear(one)
    one.enter(0, 7, given[2])
    fresh.enter(0, 7, given[2])
    for name in fresh.trained:
        assert torch.equal(one.trained[name], fresh.trained[name]), name
    one.enter(0, 7)
    assert set(one.state(0)) == set(one.trained)


def test_what_it_saves_is_its_own(checkpoint: Checkpoint, tmp_path: Path) -> None:
    given = adapters("bert")
    one = bank(checkpoint("bert"), 1, update=hull(given, ()))
    one.enter(0, 3, given[2])
    state = stir(one, 0, seed=1)
    save_adapter(tmp_path, one, state, given[2])
    read = read_adapter(tmp_path)
    assert (read.lora.r, read.lora.lora_alpha, read.lora.target_modules) == (2, 2, ("value",))
    assert {
        name.partition(".lora_")[0].rpartition(".")[2] for name in state if ".lora_" in name
    } == {"value"}
    assert all(name.startswith(PREFIX) for name in read.state)
    assert_all_close(read.state, state)


def test_targets_that_the_bank_has_not(checkpoint: Checkpoint) -> None:
    one = bank(checkpoint("bert"), 1, targets=("query",))
    with pytest.raises(ConfigError, match="called value"):
        one.adapt(0, LoraSettings(r=2, target_modules=("value",)))
