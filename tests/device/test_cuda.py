"""On a GPU: kernels against twins, together against alone, and nothing that waits in a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.config import BankSettings, LoraSettings, Recipe
from weft.nn.bank import Bank
from weft.nn.dropout import Stream
from weft.nn.flat import grouped, varlen
from weft.text.packing import pack
from weft.training.events import RunEnd, Stepped
from weft.training.loop import train
from weft.training.readings import EVERY
from weft.training.slots import Job

from ..tiny import Checkpoint, backbone, clear, examples, gradients, judges, labels, stir
from .stand_in import close

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU that torch can use; there is none here"
)
CUDA = torch.device("cuda")


def bank(checkpoint: Checkpoint, slots: int, precision: str, device: str = "cuda") -> Bank:
    lora = LoraSettings(r=8, lora_alpha=16, lora_dropout=0.1)
    return Bank(backbone(checkpoint("bert"), precision), lora, slots, device=device)


def step(bank: Bank, parts: dict[int, int], *, dropout: bool) -> dict[str, Tensor]:
    """Logits and gradients of one step; parts: of each slot the seed of its examples."""
    clear(bank)
    strips = pack(
        [(slot, examples(8, seed)) for slot, seed in parts.items()], pad=bank.pad, form=bank.form
    )
    streams = [Stream(seed, 0, bank.device) for seed in parts.values()] if dropout else None
    logits = bank(strips, streams)
    own = np.concatenate([labels(8, seed) for seed in parts.values()])
    target = torch.from_numpy(own).to(bank.device)
    torch.nn.functional.cross_entropy(logits, target, reduction="sum").backward()
    found = {"logits": logits.detach()}
    for slot in parts:
        found |= {f"{slot} {name}": g for name, g in gradients(bank, slot).items()}
    return {name: tensor.cpu() for name, tensor in found.items()}


@pytest.mark.parametrize("dropout", [False, True])
def test_kernels_equal_twins(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, dropout: bool
) -> None:
    """In bf16: grouped products and, without dropout, attention of any length."""
    ours = bank(checkpoint, 4, "bf16")
    for slot in (0, 2, 3):
        stir(ours, slot, slot)
    got = step(ours, {0: 1, 2: 2, 3: 3}, dropout=dropout)
    for module in (grouped, varlen):
        monkeypatch.setattr(module, "serves", lambda *_: False)
    twin = step(ours, {0: 1, 2: 2, 3: 3}, dropout=dropout)
    for name, tensor in got.items():
        close(tensor, twin[name], 5e-2)


def test_float32_equals_the_cpu(checkpoint: Checkpoint) -> None:
    outcomes: list[dict[str, Tensor]] = []
    for device in ("cuda", "cpu"):
        ours = bank(checkpoint, 2, "float32", device)
        for slot in (0, 1):
            stir(ours, slot, slot)
        outcomes.append(step(ours, {0: 1, 1: 2}, dropout=False))
    for name, tensor in outcomes[0].items():
        close(tensor, outcomes[1][name], 1e-4)


def jobs() -> list[Job]:
    of: list[tuple[int, dict[str, Any]]] = [(27, {"epochs": 3}), (9, {"epochs": 2}), (40, {})]
    return [
        Job(
            str(size),
            size,
            examples(size, seed=size),
            labels(size, seed=size),
            Recipe.model_validate({"learning_rate": 2e-3, "batch_size": 8, "epochs": 2} | recipe),
        )
        for size, recipe in of
    ]


def test_together_equals_alone(checkpoint: Checkpoint) -> None:
    """Whole runs in float64, dropout and all."""
    together = bank(checkpoint, 3, "float64")
    events = train(together, jobs(), judges(together), BankSettings())
    ends = {event.run_id: event for event in events if isinstance(event, RunEnd)}
    for run in jobs():
        alone = bank(checkpoint, 1, "float64")
        events = train(alone, [run], judges(alone), BankSettings())
        (end,) = [event for event in events if isinstance(event, RunEnd)]
        for name, tensor in end.state.items():
            close(ends[run.run_id].state[name].cpu(), tensor.cpu(), 1e-7)


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_no_step_waits_for_the_gpu(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """Torch raises where the host would."""
    monkeypatch.setitem(EVERY, "cuda", 1 << 20)
    ours = bank(checkpoint, 3, precision)
    recipe = Recipe(batch_size=8, epochs=1)
    runs = [Job(str(n), n, examples(80, seed=n), labels(80, seed=n), recipe) for n in range(3)]
    steps = 0
    try:
        for event in train(ours, runs, judges(ours), BankSettings()):
            if isinstance(event, Stepped):
                steps += 1
                torch.cuda.set_sync_debug_mode("error")
                if steps == 8:
                    break
    finally:
        torch.cuda.set_sync_debug_mode("default")
