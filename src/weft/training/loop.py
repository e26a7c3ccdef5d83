"""The training loop: one for all runs, read from top to bottom."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray
from torch import Tensor

from weft.config import BankSettings
from weft.nn.bank import Bank
from weft.text.packing import pack
from weft.text.tokens import Ints, Tokens
from weft.training.events import EpochEnd, Event, RunBegin, RunEnd, RunFailed, Settled, Stepped
from weft.training.inference import cross_entropy, logits_of, probabilities
from weft.training.slots import Job, Judges, Slot
from weft.training.snapshot import Parked, Snapshot, enter, put_back, take

_TOGETHER = {"cpu": 1536, "cuda": 1 << 20}
"""Tokens that one forward and backward take at most, but for a run's own batch. On a CPU more only
pushes activations out of its caches; a GPU has room for all."""


def train(
    bank: Bank,
    jobs: Iterable[Job],
    judges: Judges | None,
    settings: BankSettings,
    since: Snapshot | None = None,
) -> Iterator[Event]:
    """Trains all jobs through the bank's slots and tells what happens as it happens.

    A run that ends gives its slot to the next one waiting. Which run sits where and when depends
    on steps alone, never on the clock. So from a snapshot all goes on as if it had never stopped.

    A run whose loss or gradient is no number fails before anything has moved, and the step is done
    again without it.

    Args:
        bank: its slots are overwritten.
        jobs: in the order in which they enter.
        judges: validated on after an epoch of a run, where one is due; tested on once, with its
            best weights. None: every job brings its own.
        settings: `exact` computes each run by itself.
        since: where to go on; the jobs are those that sat or waited then. None: from the start.

    Raises:
        TrainingError: the snapshot is not of these jobs and this bank.
    """
    slots: dict[int, Slot] = {}
    waiting: deque[Job | Parked] = deque()
    if since is None:
        waiting.extend(jobs)
    else:
        slots, rest = put_back(bank, jobs, since, time.perf_counter)
        waiting.extend(rest)
    apart = settings.exact
    while waiting or slots:
        for index in range(bank.slots):
            if index not in slots and waiting:
                run = waiting.popleft()
                slots[index] = enter(bank, index, run, time.perf_counter())
                if isinstance(run, Job):
                    yield RunBegin(run.run_id)
        active = [slots[index] for index in sorted(slots)]

        # one step: as many runs together as pay, or each in the shapes it has alone
        batches = [_Batch.of(slot) for slot in active]
        groups = _groups(batches, 0 if apart else _TOGETHER[bank.device.type])
        took: list[_Took] = []
        fills: list[float] = []
        broken: dict[int, str] = {}
        for group in groups:
            strips = pack(
                [(batch.slot.index, batch.tokens) for batch in group],
                pad=bank.pad,
                width=settings.strip_width,
                form=bank.form,
            )
            logits = bank(strips, [batch.slot.stream() for batch in group])  # (B, C)
            labels = [torch.as_tensor(batch.labels, device=bank.device) for batch in group]
            parts = logits.split([len(own) for own in labels])
            losses = torch.stack(
                [_loss(x, y, own.weights) for x, y, own in zip(parts, labels, group, strict=True)]
            )
            values: list[float] = cast("Any", losses).tolist()
            odd = _odd("loss", values, [batch.slot for batch in group])
            if odd:
                broken |= odd
                continue
            # runs share no trained weight, so each gets from the sum the gradient of its own loss
            torch.autograd.backward(losses.sum())
            for batch, loss, x, y in zip(group, values, parts, labels, strict=True):
                took.append(_Took(batch.slot, loss, int((x.argmax(1) == y).sum()), len(y)))
            fills.append(strips.fill)
        norms: list[float] = cast("Any", torch.stack([slot.clip() for slot in active])).tolist()
        broken |= _odd("gradient's norm", norms, active)

        # a run that breaks takes no part: the step is done again as if it had left before
        if broken:
            for slot in active:
                slot.clear()
            if not apart and len(groups) < len(active):
                # what is no number spreads through shared products: each by itself shows whose
                apart = True
                continue
            apart = settings.exact
            for slot in [slot for slot in active if slot.index in broken]:
                del slots[slot.index]
                yield _fail(bank, slot, broken[slot.index], slot.step + 1)
            snapshot = partial(take, bank, slots, waiting, time.perf_counter())
            yield Settled(not (slots or waiting), snapshot)
            continue
        apart = settings.exact
        for one in took:
            one.slot.count(one.loss, one.right, one.examples)
        for slot in active:
            slot.update()
        examples = sum(one.examples for one in took)
        told = {one.slot.job.run_id: one.loss for one in took}
        yield Stepped(examples, len(active), float(np.mean(fills)), told)

        for slot in [slot for slot in active if slot.epoch_ended]:
            if not slot.due:
                slot.next_epoch()
                continue
            ended = _validate(bank, slot, judges)
            if not math.isfinite(ended.validation_loss):
                del slots[slot.index]
                why = f"validation loss became {ended.validation_loss}"
                yield _fail(bank, slot, why, slot.step)
                continue
            yield ended
            if slot.finished:
                yield _finish(bank, slot, judges)
                del slots[slot.index]
            else:
                slot.next_epoch()
                slot.count_anew(time.perf_counter())
        snapshot = partial(take, bank, slots, waiting, time.perf_counter())
        yield Settled(not (slots or waiting), snapshot)


@dataclass(frozen=True)
class _Batch:
    """What one run learns from in one step."""

    slot: Slot
    tokens: Tokens
    labels: Ints  # (B,)
    weights: NDArray[np.float64] | None  # (B,)

    @classmethod
    def of(cls, slot: Slot) -> _Batch:
        index, job = slot.next_batch(), slot.job
        weights = None if job.weights is None else job.weights[index]
        return cls(slot, job.tokens.take(index), job.labels[index], weights)


@dataclass(frozen=True)
class _Took:
    """What one run's step came to, before it is taken."""

    slot: Slot
    loss: float
    right: int
    examples: int


def _loss(logits: Tensor, labels: Tensor, weights: NDArray[np.float64] | None) -> Tensor:
    """Mean cross-entropy of a batch, each example times its weight.

    It is divided by the number of examples, not by the sum of their weights, so that an example
    counts the same whatever else its batch holds.

    Args:
        logits: (B, C).
        labels, weights: (B,).
    """
    if weights is None:
        return F.cross_entropy(logits, labels)
    each = F.cross_entropy(logits, labels, reduction="none")
    return (each * torch.as_tensor(weights, dtype=each.dtype, device=each.device)).mean()


def _groups(batches: Sequence[_Batch], tokens: int) -> list[list[_Batch]]:
    """Neighbours are computed together as long as their batches hold no more than `tokens`."""
    groups: list[list[_Batch]] = []
    room = 0
    for batch in batches:
        ahead = len(batch.tokens.ids)
        if not groups or ahead > room:
            groups.append([])
            room = tokens
        groups[-1].append(batch)
        room -= ahead
    return groups


def _odd(what: str, values: Sequence[float], slots: Sequence[Slot]) -> dict[int, str]:
    """What is no number, by the slot whose it is."""
    return {
        slot.index: f"{what} became {value}"
        for slot, value in zip(slots, values, strict=True)
        if not math.isfinite(value)
    }


def _fail(bank: Bank, slot: Slot, why: str, step: int) -> RunFailed:
    """A run that has left its slot; nothing that is no number stays there."""
    for tensor in bank.state(slot.index).values():
        tensor.zero_()
    return RunFailed(
        slot.job.run_id,
        f"the {why} in epoch {slot.epoch}, step {step}: a lower learning rate usually helps",
        slot.best.epoch,
        slot.best.state,
    )


def _validate(bank: Bank, slot: Slot, judges: Judges | None) -> EpochEnd:
    judges = slot.job.judges or judges
    assert judges is not None, "a job without judges among runs that share none"
    logits = logits_of(bank, slot.index, judges.validation)
    loss = cross_entropy(logits, judges.validation_labels, judges.validation_weights)
    state = bank.state(slot.index)
    slot.judge(loss, logits, state)
    return EpochEnd(
        run_id=slot.job.run_id,
        epoch=slot.epoch,
        step=slot.step,
        train_loss=slot.tally.loss / slot.tally.examples,
        train_accuracy=slot.tally.right / slot.tally.examples,
        validation_loss=loss,
        validation_accuracy=_accuracy(logits, judges.validation_labels),
        learning_rate=slot.learning_rate,
        seconds=time.perf_counter() - slot.judged,
        state=state,
    )


def _finish(bank: Bank, slot: Slot, judges: Judges | None) -> RunEnd:
    judges = slot.job.judges or judges
    assert judges is not None
    assert slot.best.logits is not None
    trained = time.perf_counter() - slot.began
    bank.load_state(slot.index, slot.best.state)
    test = logits_of(bank, slot.index, judges.test)
    return RunEnd(
        run_id=slot.job.run_id,
        epochs=slot.epoch,
        best_epoch=slot.best.epoch,
        seconds=time.perf_counter() - slot.began,
        examples_per_second=slot.seen / trained,
        validation=probabilities(slot.best.logits),
        test=probabilities(test),
        state=slot.best.state,
    )


def _accuracy(logits: np.ndarray, labels: Sequence[int] | Ints) -> float:
    return float((logits.argmax(axis=1) == labels).mean())
