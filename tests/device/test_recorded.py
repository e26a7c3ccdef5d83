"""Steps recorded by their shape: in a stand-in for CUDA graphs, the same as computed anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("triton", reason="needs Triton, which is for Linux")

from weft.config import BankSettings, LoraSettings
from weft.nn import bank as bank_
from weft.nn.bank import Bank
from weft.nn.flat import norm
from weft.training import loop, recorded
from weft.training.events import RunEnd
from weft.training.inference import Packed
from weft.training.loop import train
from weft.training.slots import Job, Judges
from weft.training.stacked import Stacked

from ..tiny import Checkpoint, bank, examples, labels
from .stand_in import Repeated, as_on_a_gpu, close, job


def few(ours: Bank) -> Judges:
    tokens = Packed.of(examples(2, seed=90), ours)
    return Judges(tokens, labels(2, seed=90), tokens)


def jobs() -> list[Job]:
    """More than there are slots; some have weights, or an adapter of their own."""
    made = [job(size, batch_size=4, epochs=3) for size in (8, 3, 4)]
    made[0] = replace(made[0], weights=np.linspace(0.5, 1.5, 8))
    made[2] = replace(made[2], lora=LoraSettings(r=4, lora_alpha=2, lora_dropout=0.2))
    return made


def ends(ours: Bank, patch: pytest.MonkeyPatch, tape: Repeated | None) -> dict[str, Any]:
    held: list[Stacked] = []

    def stacked_of(bank: Bank) -> Stacked:
        held.append(Stacked(list(bank.trained.values()), tape))
        return held[0]

    patch.setattr(loop, "stacked_of", stacked_of)
    if tape is not None:
        tape.moved = lambda: [
            *(p for p in ours.trained.values()),
            *(p.grad for p in ours.trained.values() if p.grad is not None),
            *(held[0].mean, held[0].square, held[0].steps),
        ]
    events = train(ours, jobs(), few(ours), BankSettings())
    return {event.run_id: event for event in events if isinstance(event, RunEnd)}


def held_to_their_adapters(patch: pytest.MonkeyPatch) -> None:
    """No recording is started under other adapters than it was made with: it has their scalings."""
    made: dict[Any, Any] = {}
    start = recorded._Step.__call__

    def called(step: Any, *given: Any) -> Any:
        assert made.setdefault(step, step._bank.adapters) == step._bank.adapters
        return start(step, *given)

    patch.setattr(recorded._Step, "__call__", called)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_recorded_steps_are_those_computed_anew(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, pooling: str
) -> None:
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(bank_, "_MANY", 32)  # rows: the interpreter is slow
    monkeypatch.setattr(norm, "_frozen", lambda _: False)  # its twin reads no lengths either
    small = checkpoint("bert", num_attention_heads=1)
    settings: dict[str, Any] = {"pooling": pooling}
    anew = bank(small, 2, **settings)
    expected = ends(anew, monkeypatch, None)
    held_to_their_adapters(monkeypatch)
    tape = Repeated()
    got = ends(bank(small, 2, **settings), monkeypatch, tape)
    assert tape.recorded > 1
    assert tape.started > tape.recorded
    assert set(got) == set(expected) == {"8", "3", "4"}
    for name, end in got.items():
        assert end.best_epoch == expected[name].best_epoch
        np.testing.assert_allclose(end.test, expected[name].test, atol=1e-5)
        for key, tensor in end.state.items():
            close(tensor, expected[name].state[key], 1e-5)
