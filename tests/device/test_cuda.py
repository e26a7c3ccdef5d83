"""On a GPU: kernels against twins, together against alone, and nothing that waits in a step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.config import BankSettings, LoraSettings, Recipe
from weft.nn.bank import Bank
from weft.nn.dropout import stream_for
from weft.nn.gpu import bits, there
from weft.text.packing import pack
from weft.training import stacked
from weft.training.events import RunEnd, Stepped
from weft.training.loop import train
from weft.training.readings import EVERY
from weft.training.slots import Job

from ..tiny import Checkpoint, backbone, clear, examples, gradients, judges, labels, stir
from .stand_in import close, job

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
    streams = [stream_for(seed, 0, bank.device) for seed in parts.values()] if dropout else None
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
    """In float32 to rounding; in bf16 they are as near to that as torch's own words, or nearer."""
    parts = {0: 1, 2: 2, 3: 3}
    found: dict[str, dict[str, Tensor]] = {}
    for precision in ("float32", "bf16"):
        ours = bank(checkpoint, 4, precision)
        for slot in parts:
            stir(ours, slot, slot)
        found[precision] = step(ours, parts, dropout=dropout)
        with monkeypatch.context() as patch:
            patch.setattr(there, "serves", lambda _: False)
            patch.setattr(bits, "serves", lambda _: False)
            found[f"{precision} twin"] = step(ours, parts, dropout=dropout)
    for name, exact in found["float32 twin"].items():
        close(found["float32"][name], exact, 1e-4)
        ours, twin = ((found[k][name] - exact).norm() for k in ("bf16", "bf16 twin"))
        assert ours <= 1.5 * twin + 1e-2 * exact.norm(), name


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
    return [job(size, batch_size=8, epochs=epochs) for size, epochs in ((27, 3), (9, 2), (40, 2))]


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
def test_recorded_steps_are_those_computed_anew(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """CUDA graphs, of whole runs; sums of float32 may come in another order."""
    found: list[dict[str, RunEnd]] = []
    started: list[int] = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(
        torch.cuda.CUDAGraph, "replay", lambda graph: (started.append(1), replay(graph))[1]
    )
    for recorded in (True, False):
        if not recorded:
            monkeypatch.setattr(stacked, "tape_of", lambda _: None)
        ours = bank(checkpoint, 3, precision)
        events = train(ours, jobs(), judges(ours), BankSettings())
        found.append({event.run_id: event for event in events if isinstance(event, RunEnd)})
    assert len(started) > 10
    for run, end in found[0].items():
        for name, tensor in end.state.items():
            close(tensor.cpu(), found[1][run].state[name].cpu(), 1e-3)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
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
