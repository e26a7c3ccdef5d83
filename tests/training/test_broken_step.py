"""A run that breaks in a step leaves before it: its neighbours' bits are those of a bank without
it from there on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.config import BankSettings, Recipe
from weft.nn.bank import Bank
from weft.nn.shapes import Update
from weft.text.packing import Form
from weft.training.events import EpochEnd, Event, RunBegin, RunEnd, RunFailed, Settled, Stepped
from weft.training.loop import train
from weft.training.slots import Job
from weft.training.snapshot import Snapshot

from .. import tiny
from ..tiny import Checkpoint, bank, examples, judges, labels

STEP = 4  # taken by all before one breaks: in its second epoch, the first of which is judged
Poison = Callable[[Bank], None]


def jobs(weights: np.ndarray | None = None) -> list[Job]:
    """Three that begin together and two that wait.

    Args:
        weights: (20,) of the second's examples, its own to change while it trains.
    """
    runs: list[Job] = []
    for seed, (name, size) in enumerate(
        [("left", 20), ("broken", 20), ("right", 13), ("next", 12), ("last", 16)]
    ):
        recipe = Recipe.model_validate({"epochs": 3, "batch_size": 8, "learning_rate": 2e-3})
        own = weights if name == "broken" else None
        runs.append(
            Job(name, seed, examples(size, seed=seed), labels(size, seed=seed), recipe, own)
        )
    return runs


def told(events: Iterable[Event]) -> list[Any]:
    """What was told of runs, times left out, tensors as bytes."""
    found: list[Any] = []
    for event in events:
        if isinstance(event, EpochEnd | RunEnd):
            own = {k: v for k, v in vars(event).items() if "second" not in k}
            own["state"] = {name: t.numpy().tobytes() for name, t in event.state.items()}
            found.append(
                {k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in own.items()}
            )
        elif isinstance(event, RunBegin | Stepped):
            found.append(event)
    return found


def left_before(taken: Snapshot) -> Snapshot:
    """The bank as it stands when the second run has just left it."""
    seated = [own for own in taken.words["seated"] if own["run"] != "broken"]
    assert len(seated) == 2
    return Snapshot(taken.tensors, {**taken.words, "seated": seated})


def broken_at(
    ours: Bank, runs: list[Job], settings: BankSettings, poison: Poison
) -> tuple[Snapshot, list[Event]]:
    """The state after `STEP` steps, and all that came after when `poison` was given there."""
    events = train(ours, runs, judges(ours), settings)
    steps = 0
    for event in events:
        steps += isinstance(event, Stepped)
        if isinstance(event, Settled) and steps == STEP:
            taken = event.snapshot()
            kept = Snapshot({name: t.clone() for name, t in taken.tensors.items()}, taken.words)
            poison(ours)
            rest: list[Event] = []
            for later in events:
                rest.append(later)
                if isinstance(later, RunFailed):
                    unhook(ours)
            return kept, rest
    raise AssertionError("it ended before")


def hook(ours: Bank, value: float) -> None:
    """The next gradient of the second slot's head holds this value."""
    (name,) = (n for n in ours.trained if n.endswith("classifier.weight"))

    def spoil(parameter: Tensor) -> None:
        assert parameter.grad is not None
        if parameter.grad[1].any():
            parameter.grad[1].view(-1)[5] = value

    handles = [ours.trained[name].register_post_accumulate_grad_hook(spoil)]
    ours.spoils = handles  # type: ignore[assignment]


def poisoned_weights(ours: Bank) -> None:
    """A weight of the second slot's is no number: products that runs share may spread it."""
    for name, tensor in ours.state(1).items():
        if "lora_B" in name or name.endswith("bias"):
            tensor.view(-1)[1] = float("nan")


def unhook(ours: Bank) -> None:
    for handle in getattr(ours, "spoils", ()):
        handle.remove()


CASES: list[tuple[str, float, Poison | None, str]] = [
    ("nan loss", float("nan"), None, "loss became nan"),
    ("inf loss", 1e39, None, "loss became inf"),
    ("inf gradient of a finite loss", 1e37, None, "gradient's norm became"),
    ("inf in a gradient", 1.0, lambda b: hook(b, float("inf")), "gradient's norm became inf"),
    ("nan in a gradient", 1.0, lambda b: hook(b, float("nan")), "gradient's norm became nan"),
    ("nan in weights", 1.0, poisoned_weights, "loss became nan"),
]
FLAT: tuple[Form, Update | None, bool] = ("flat", None, False)
OTHERS: list[tuple[Form, Update | None, bool]] = [
    ("flat", "biases", False),
    ("strips", None, False),
    ("flat", None, True),
]
ALL = [(*case[1:], *FLAT) for case in CASES]
ALL += [(*CASES[number][1:], *form) for number in (2, 5) for form in OTHERS]


@pytest.mark.parametrize(("odd", "poison", "why", "form", "update", "exact"), ALL)
def test_neighbours_are_those_of_a_bank_that_it_left_just_before(
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    form: Form,
    update: Update | None,
    exact: bool,
    odd: float,
    poison: Poison | None,
    why: str,
) -> None:
    monkeypatch.setattr(tiny, "FORM", form)
    weights = np.ones(20)
    settings, runs = BankSettings(exact=exact), jobs(weights)
    ours = bank(checkpoint("bert"), 3, update=update)
    assert ours.form == form
    taken, events = broken_at(ours, runs, settings, poison or (lambda _: weights.fill(odd)))
    (failed,) = (event for event in events if isinstance(event, RunFailed))
    assert failed.run_id == "broken"
    assert why in failed.reason
    assert f"step {STEP + 1}" in failed.reason
    assert failed.best_epoch == 1
    assert all(tensor.isfinite().all() for tensor in failed.state.values())
    assert all(tensor.isfinite().all() for tensor in ours.trained.values())
    theirs = bank(checkpoint("bert"), 3, update=update)
    rest = list(train(theirs, runs, judges(theirs), settings, left_before(taken)))
    assert {e.run_id for e in rest if isinstance(e, RunEnd)} == {"left", "right", "next", "last"}
    assert told(events) == told(rest)


def test_no_step_is_told_that_was_not_taken(checkpoint: Checkpoint) -> None:
    """And the failure is settled before the step is done again."""
    weights = np.ones(20)
    ours = bank(checkpoint("bert"), 3)
    _, events = broken_at(ours, jobs(weights), BankSettings(), lambda _: weights.fill(float("nan")))
    kinds = [type(event).__name__ for event in events[:4]]
    assert kinds == ["RunFailed", "Settled", "RunBegin", "Stepped"]


def test_two_break_at_once(checkpoint: Checkpoint) -> None:
    runs = jobs(np.full(20, np.nan))
    runs[2] = replace(runs[2], weights=np.full(13, np.nan))
    ours = bank(checkpoint("bert"), 3)
    events = list(train(ours, runs, judges(ours), BankSettings()))
    assert {e.run_id for e in events if isinstance(e, RunFailed)} == {"broken", "right"}
    assert {e.run_id for e in events if isinstance(e, RunEnd)} == {"left", "next", "last"}


def test_what_is_finite_by_itself_does_not_fail(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is no number only in company is the company's fault: the step is taken apart."""
    runs = jobs()
    ours = bank(checkpoint("bert"), 3)
    forward = ours.forward

    def spread(strips: Any, streams: Any = None, *more: Any) -> Tensor:
        logits = forward(strips, streams, *more)
        return logits * float("nan") if len(strips.segments) > 1 and streams else logits

    monkeypatch.setattr(ours, "forward", spread)
    events = list(train(ours, runs, judges(ours), BankSettings()))
    assert not [event for event in events if isinstance(event, RunFailed)]
    alone = bank(checkpoint("bert"), 3)
    exact = list(train(alone, runs, judges(alone), BankSettings(exact=True)))
    assert told(events) == told(exact)
    assert torch.isfinite(next(iter(ours.trained.values()))).all()
