"""A bank's whole training state between two steps: taken, and put back.

What a run draws follows from its seed, its epoch and its step (`weft.randomness`, `nn.dropout`), so
those three are all the state that generators and data orders have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from weft.errors import TrainingError
from weft.evidence.calibration.held_out import FOLDS, HeldOut
from weft.nn.bank import Bank
from weft.training.slots import Best, Job, Slot, Tally
from weft.training.stacked import Stacked

SCHEMA_VERSION = 3
"""Until 2 nothing was held out: all folds then go on from the best epoch."""


@dataclass(frozen=True)
class Snapshot:
    """All that decides how training goes on."""

    tensors: Mapping[str, Tensor]
    """The bank's trained tensors, (R, ...) each; of each run its optimiser's moments, its best
    epoch's weights and logits, and the held-out logits. Of one just taken they are valid until the
    next event is asked for; of one read from a file they are the caller's."""
    words: Mapping[str, Any]
    """JSON: schema, slots, `seated` (by slot), `parked` and `waiting` (in order)."""

    @property
    def slots(self) -> int:
        """R of the bank."""
        return int(self.words["slots"])

    @property
    def seated(self) -> dict[str, int]:
        """Steps taken by each run that sits in a slot."""
        return {str(run["run"]): int(run["step"]) for run in self.words["seated"]}

    @property
    def begun(self) -> dict[str, int]:
        """Steps taken by each run that sits in a slot, or sat in one and is to go on."""
        parked = {str(run["run"]): int(run["step"]) for run in self.words.get("parked", ())}
        return self.seated | parked

    @property
    def waiting(self) -> list[str]:
        """Runs that no slot has taken yet, in order."""
        return [str(run) for run in self.words["waiting"]]


@dataclass(frozen=True)
class Parked:
    """A run in the middle that lost its slot, and goes on in the next that is free."""

    job: Job
    words: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    """Its `weights/`, and what else a slot holds of it."""


def enter(
    bank: Bank, index: int, run: Job | Parked, now: float, stacked: Stacked | None = None
) -> Slot:
    """A slot that a run takes: at its beginning, or where it stood."""
    if isinstance(run, Job):
        return Slot(bank, index, run, now, stacked)
    slot = Slot(bank, index, run.job, now, stacked)
    for name, parameter in bank.trained.items():
        parameter.detach()[index].copy_(run.tensors[f"weights/{name}"])
    _restore(slot, run.words, run.tensors, now)
    return slot


def take(
    bank: Bank, slots: Mapping[int, Slot], waiting: Iterable[Job | Parked], now: float
) -> Snapshot:
    """The state between two steps.

    Args:
        slots: by index, those that hold a run.
        waiting: in the order in which they enter, parked ones first.
        now: seconds on the clock that the slots were told of.
    """
    tensors = {f"bank/{name}": parameter.detach() for name, parameter in bank.trained.items()}
    for slot in slots.values():
        tensors |= _named(f"slot {slot.index}/", _tensors(slot))
    parked = [run for run in waiting if isinstance(run, Parked)]
    for place, run in enumerate(parked):
        tensors |= _named(f"parked {place}/", run.tensors)
    words = {
        "schema": SCHEMA_VERSION,
        "slots": bank.slots,
        "seated": [_words(slots[index], now) for index in sorted(slots)],
        "parked": [run.words for run in parked],
        "waiting": [run.run_id for run in waiting if isinstance(run, Job)],
    }
    return Snapshot(tensors, words)


def put_back(
    bank: Bank,
    jobs: Iterable[Job],
    snapshot: Snapshot,
    clock: Callable[[], float],
    stacked: Stacked | None = None,
) -> tuple[dict[int, Slot], list[Job | Parked]]:
    """The slots by index, and the runs that wait, as they were when the snapshot was taken.

    Args:
        bank: of as many slots; overwritten.
        jobs: those of the snapshot; others are left out.
        clock: seconds; the slots count on from it.
        stacked: what moves all slots of the bank at once, where that is so.

    Raises:
        TrainingError: a run is missing or another, a newer weft took the snapshot, or one on
            another kind of device.
    """
    if int(snapshot.words["schema"]) > SCHEMA_VERSION:
        raise _refusal(f"schema {snapshot.words['schema']}, and this weft reads {SCHEMA_VERSION}")
    if snapshot.slots != bank.slots:
        raise _refusal(f"{snapshot.slots} slots, and the bank has {bank.slots}")
    known = {job.run_id: job for job in jobs}
    missing = [run for run in (*snapshot.begun, *snapshot.waiting) if run not in known]
    if missing:
        raise _refusal(f"the run {missing[0]}, which is no part of this study")
    slots: dict[int, Slot] = {}
    parked = snapshot.words.get("parked", ())
    for words in (*snapshot.words["seated"], *parked):
        job = known[words["run"]]
        if (job.seed, len(job.labels)) != (words["seed"], words["examples"]):
            raise _refusal(f"{job.run_id} with another seed or other examples")
        if bool(words["rates"]) != (stacked is None):  # told of torch's own optimisers alone
            raise _refusal("runs begun on a CPU that go on elsewhere, or the other way round")
    for words in snapshot.words["seated"]:
        slots[words["slot"]] = Slot(bank, words["slot"], known[words["run"]], clock(), stacked)
    for name, parameter in bank.trained.items():
        parameter.detach().copy_(snapshot.tensors[f"bank/{name}"])
    for words in snapshot.words["seated"]:
        own = _below(snapshot.tensors, f"slot {words['slot']}/")
        _restore(slots[words["slot"]], words, own, clock())
    first = [
        Parked(known[words["run"]], words, _below(snapshot.tensors, f"parked {place}/"))
        for place, words in enumerate(parked)
    ]
    return slots, [*first, *(known[run] for run in snapshot.waiting)]


def split(snapshot: Snapshot, slots: int) -> Snapshot:
    """The same runs, each where it stood, for a bank of fewer slots.

    Those of the first slots stay; the others are parked, and enter before any that has not begun.
    """
    seated = list(snapshot.words["seated"])
    bank = _below(snapshot.tensors, "bank/")
    tensors: dict[str, Tensor] = {}
    stay = [{**words, "slot": place} for place, words in enumerate(seated[:slots])]
    rows = [int(words["slot"]) for words in seated[:slots]]
    for name, whole in bank.items():
        tensors[f"bank/{name}"] = whole.new_zeros(slots, *whole.shape[1:])
        tensors[f"bank/{name}"][: len(rows)] = whole[rows]
    for place, row in enumerate(rows):
        tensors |= _named(f"slot {place}/", _below(snapshot.tensors, f"slot {row}/"))
    parked = seated[slots:]
    for place, words in enumerate(parked):
        row = int(words["slot"])
        weights = {f"weights/{name}": whole[row].clone() for name, whole in bank.items()}
        own = weights | _below(snapshot.tensors, f"slot {row}/")
        tensors |= _named(f"parked {place}/", own)
    before = list(snapshot.words.get("parked", ()))
    for place in range(len(before)):
        own = _below(snapshot.tensors, f"parked {place}/")
        tensors |= _named(f"parked {place + len(parked)}/", own)
    words = {**snapshot.words, "slots": slots, "seated": stay, "parked": [*parked, *before]}
    return Snapshot(tensors, words)


def _words(slot: Slot, now: float) -> dict[str, Any]:
    best = slot.best
    return {
        "slot": slot.index,
        "run": slot.job.run_id,
        "seed": slot.job.seed,
        "examples": len(slot.job.labels),
        "epoch": slot.epoch,
        "step": slot.step,
        "seen": slot.seen,
        "worse": slot.worse,
        "learning_rate": slot.learning_rate,
        "tally": asdict(slot.tally),
        "best": {"epoch": best.epoch, "loss": None if math.isinf(best.loss) else best.loss},
        "schedule": slot.schedule.state_dict(),
        "rates": [group["lr"] for group in slot.optimiser.param_groups],
        "seconds": {"run": now - slot.began, "epoch": now - slot.judged},
    }


def _tensors(slot: Slot) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    state = cast("Mapping[int, Mapping[str, Tensor]]", slot.optimiser.state_dict()["state"])
    for number, moments in state.items():
        found |= {f"optimiser/{number}/{name}": moment for name, moment in moments.items()}
    found |= {f"best/{name}": tensor for name, tensor in slot.best.state.items()}
    if slot.best.logits is not None:
        found["logits"] = torch.as_tensor(slot.best.logits)
    if slot.held_out.rows is not None:
        found["held out/logits"] = torch.as_tensor(slot.held_out.rows)
        found["held out/losses"] = torch.as_tensor(slot.held_out.losses)
    return found


def _restore(
    slot: Slot, words: Mapping[str, Any], tensors: Mapping[str, Tensor], now: float
) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, "optimiser/").items():
        number, _, moment = name.partition("/")
        state.setdefault(int(number), {})[moment] = tensor
    optimiser: dict[str, Any] = slot.optimiser.state_dict()
    slot.optimiser.load_state_dict(optimiser | {"state": state})
    slot.schedule.load_state_dict(dict(words["schedule"]))
    for group, rate in zip(slot.optimiser.param_groups, words["rates"], strict=True):
        group["lr"] = rate
    logits = tensors.get("logits")
    slot.best = Best(
        words["best"]["epoch"],
        math.inf if words["best"]["loss"] is None else words["best"]["loss"],
        None if logits is None else logits.numpy(),
        {name: tensor.to(slot.device) for name, tensor in _below(tensors, "best/").items()},
    )
    held_out = _below(tensors, "held out/")
    if held_out:
        slot.held_out = HeldOut(
            held_out["logits"].numpy().copy(), held_out["losses"].numpy().copy()
        )
    elif logits is not None:
        slot.held_out = HeldOut(logits.numpy().copy(), np.full(FOLDS, slot.best.loss))
    slot.tally = Tally(**words["tally"])
    slot.seen, slot.worse = words["seen"], words["worse"]
    slot.learning_rate = words["learning_rate"]
    slot.go_to(words["epoch"], words["step"])
    slot.began, slot.judged = now - words["seconds"]["run"], now - words["seconds"]["epoch"]


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _refusal(found: str) -> TrainingError:
    return TrainingError(
        "the checkpoint cannot be gone on from",
        found=found,
        remedy="use the weft that wrote it, or remove `runs/.bank-*` from the study's folder: "
        "the runs that it holds then begin anew",
    )
