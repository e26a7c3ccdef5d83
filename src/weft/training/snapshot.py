"""A bank's whole training state between two steps: taken, and put back.

What a run draws follows from its seed, its epoch and its step (`weft.randomness`, `nn.dropout`), so
those three are all the state that generators and data orders have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor

from weft.errors import TrainingError
from weft.nn.bank import Bank
from weft.training.slots import Best, Job, Slot, Tally
from weft.training.stacked import Stacked

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Snapshot:
    """All that decides how training goes on."""

    tensors: Mapping[str, Tensor]
    """The bank's trained tensors, (R, ...) each; of each run its optimiser's moments and its best
    epoch's weights and logits. Of one just taken they are valid until the next event is asked
    for; of one read from a file they are the caller's."""
    words: Mapping[str, Any]
    """JSON: schema, slots, `seated` (by slot) and `waiting` (in order)."""

    @property
    def slots(self) -> int:
        """R of the bank."""
        return int(self.words["slots"])

    @property
    def seated(self) -> dict[str, int]:
        """Steps taken by each run that sits in a slot."""
        return {str(run["run"]): int(run["step"]) for run in self.words["seated"]}

    @property
    def waiting(self) -> list[str]:
        """Runs that no slot has taken yet, in order."""
        return [str(run) for run in self.words["waiting"]]


def take(bank: Bank, slots: Mapping[int, Slot], waiting: Iterable[Job], now: float) -> Snapshot:
    """The state between two steps.

    Args:
        slots: by index, those that hold a run.
        waiting: in the order in which they enter.
        now: seconds on the clock that the slots were told of.
    """
    tensors = {f"bank/{name}": parameter.detach() for name, parameter in bank.trained.items()}
    for slot in slots.values():
        tensors |= _tensors(slot)
    words = {
        "schema": SCHEMA_VERSION,
        "slots": bank.slots,
        "seated": [_words(slots[index], now) for index in sorted(slots)],
        "waiting": [job.run_id for job in waiting],
    }
    return Snapshot(tensors, words)


def put_back(
    bank: Bank,
    jobs: Iterable[Job],
    snapshot: Snapshot,
    clock: Callable[[], float],
    stacked: Stacked | None = None,
) -> tuple[dict[int, Slot], list[Job]]:
    """The slots by index, and the runs that wait, as they were when the snapshot was taken.

    Args:
        bank: of as many slots; overwritten.
        jobs: those of the snapshot; others are left out.
        clock: seconds; the slots count on from it.
        stacked: what moves all slots of the bank at once, where that is so.

    Raises:
        TrainingError: a run is missing or another, or a newer weft took the snapshot.
    """
    if int(snapshot.words["schema"]) > SCHEMA_VERSION:
        raise _refusal(f"schema {snapshot.words['schema']}, and this weft reads {SCHEMA_VERSION}")
    if snapshot.slots != bank.slots:
        raise _refusal(f"{snapshot.slots} slots, and the bank has {bank.slots}")
    known = {job.run_id: job for job in jobs}
    missing = [run for run in (*snapshot.seated, *snapshot.waiting) if run not in known]
    if missing:
        raise _refusal(f"the run {missing[0]}, which is no part of this study")
    slots: dict[int, Slot] = {}
    for words in snapshot.words["seated"]:
        job = known[words["run"]]
        if (job.seed, len(job.labels)) != (words["seed"], words["examples"]):
            raise _refusal(f"{job.run_id} with another seed or other examples")
        slots[words["slot"]] = Slot(bank, words["slot"], job, clock(), stacked)
    for name, parameter in bank.trained.items():
        parameter.detach().copy_(snapshot.tensors[f"bank/{name}"])
    for words in snapshot.words["seated"]:
        _restore(slots[words["slot"]], words, snapshot.tensors, clock())
    return slots, [known[run] for run in snapshot.waiting]


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
    here = f"slot {slot.index}"
    found: dict[str, Tensor] = {}
    state = cast("Mapping[int, Mapping[str, Tensor]]", slot.optimiser.state_dict()["state"])
    for number, moments in state.items():
        found |= {f"{here}/optimiser/{number}/{name}": moment for name, moment in moments.items()}
    found |= {f"{here}/best/{name}": tensor for name, tensor in slot.best.state.items()}
    if slot.best.logits is not None:
        found[f"{here}/logits"] = torch.as_tensor(slot.best.logits)
    return found


def _restore(
    slot: Slot, words: Mapping[str, Any], tensors: Mapping[str, Tensor], now: float
) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, f"slot {slot.index}/optimiser/").items():
        number, _, moment = name.partition("/")
        state.setdefault(int(number), {})[moment] = tensor
    optimiser: dict[str, Any] = slot.optimiser.state_dict()
    slot.optimiser.load_state_dict(optimiser | {"state": state})
    slot.schedule.load_state_dict(dict(words["schedule"]))
    for group, rate in zip(slot.optimiser.param_groups, words["rates"], strict=True):
        group["lr"] = rate
    logits = tensors.get(f"slot {slot.index}/logits")
    slot.best = Best(
        words["best"]["epoch"],
        math.inf if words["best"]["loss"] is None else words["best"]["loss"],
        None if logits is None else logits.numpy(),
        {
            name: tensor.to(slot.device)
            for name, tensor in _below(tensors, f"slot {slot.index}/best/").items()
        },
    )
    slot.tally = Tally(**words["tally"])
    slot.seen, slot.worse = words["seen"], words["worse"]
    slot.learning_rate = words["learning_rate"]
    slot.go_to(words["epoch"], words["step"])
    slot.began, slot.judged = now - words["seconds"]["run"], now - words["seconds"]["epoch"]


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
