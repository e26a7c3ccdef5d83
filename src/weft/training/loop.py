"""The training loop: one for all runs, read from top to bottom."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from weft.config import BankSettings
from weft.nn.bank import Bank
from weft.text.packing import pack
from weft.text.tokens import Ints
from weft.training.batches import Batch
from weft.training.events import EpochEnd, Event, RunBegin, RunEnd, RunFailed, Settled, Stepped
from weft.training.inference import cross_entropies, cross_entropy, logits_of, probabilities
from weft.training.outcome import AtOnce, Late
from weft.training.readings import EVERY
from weft.training.slots import Job, Judges, Slot
from weft.training.snapshot import Parked, Snapshot, enter, put_back, take
from weft.training.stacked import stacked_of

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
    again without it; on a device it fails when its loss is read, and meanwhile moves by itself.

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
    stacked = stacked_of(bank)
    outcome = AtOnce(bank) if stacked is None else Late(bank, stacked, EVERY[bank.device.type])
    slots: dict[int, Slot] = {}
    waiting: deque[Job | Parked] = deque()
    if since is None:
        waiting.extend(jobs)
    else:
        slots, rest = put_back(bank, jobs, since, time.perf_counter, stacked)
        waiting.extend(rest)
    apart = settings.exact
    while waiting or slots:
        for index in range(bank.slots):
            if index not in slots and waiting:
                run = waiting.popleft()
                slots[index] = enter(bank, index, run, time.perf_counter(), stacked)
                if isinstance(run, Job):
                    yield RunBegin(run.run_id)
        active = [slots[index] for index in sorted(slots)]

        # one step: as many runs together as pay, or each in the shapes it has alone
        batches = [Batch.of(slot) for slot in active]
        groups = _groups(batches, 0 if apart else _TOGETHER[bank.device.type])
        fills: list[float] = []
        for group in groups:
            strips = pack(
                [(batch.slot.index, batch.tokens) for batch in group],
                pad=bank.pad,
                width=settings.strip_width,
                form=bank.form,
                rows=bank.multiple,
            )
            outcome.learn(strips, group)
            fills.append(strips.fill)

        # a run that breaks takes no part: the step is done again as if it had left before
        broken = outcome.broken(active)
        if broken:
            if not apart and len(groups) < len(active):
                # what is no number spreads through shared products: each by itself shows whose
                apart = True
                continue
            apart = settings.exact
            for slot in [slot for slot in active if slot.index in broken]:
                del slots[slot.index]
                yield _fail(bank, slot, broken[slot.index], slot.step + 1)
            snapshot = partial(_take, bank, slots, waiting, outcome)
            yield Settled(not (slots or waiting), False, snapshot)
            continue
        apart = settings.exact
        for slot, (why, step) in outcome.move(active).items():
            del slots[slot.index]
            yield _fail(bank, slot, why, step)
        examples = sum(map(len, batches))
        yield Stepped(examples, len(active), float(np.mean(fills)), outcome.losses)

        at_end = [slot for slot in active if slot.index in slots and slot.epoch_ended]
        for slot in at_end:
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
        snapshot = partial(_take, bank, slots, waiting, outcome)
        yield Settled(not (slots or waiting), bool(at_end), snapshot)


def _take(
    bank: Bank,
    slots: Mapping[int, Slot],
    waiting: Iterable[Job | Parked],
    outcome: AtOnce | Late,
) -> Snapshot:
    """The state between two steps, when nothing of it is left to be read."""
    outcome.catch_up()
    return take(bank, slots, waiting, time.perf_counter())


def _groups(batches: Sequence[Batch], tokens: int) -> list[list[Batch]]:
    """Neighbours are computed together as long as their batches hold no more than `tokens`."""
    groups: list[list[Batch]] = []
    room = 0
    for batch in batches:
        ahead = len(batch.tokens.ids)
        if not groups or ahead > room:
            groups.append([])
            room = tokens
        groups[-1].append(batch)
        room -= ahead
    return groups


def _fail(bank: Bank, slot: Slot, why: str, step: int) -> RunFailed:
    """A run that has left its slot; nothing that is no number stays there, nor in what surrounds an
    adapter smaller than the bank's."""
    for parameter in bank.trained.values():
        parameter.detach()[slot.index].zero_()
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
    labels, weights = judges.validation_labels, judges.validation_weights
    loss = cross_entropy(logits, labels, weights)
    state = bank.state(slot.index)
    slot.judge(loss, logits, state)
    slot.held_out.see(logits, cross_entropies(logits, labels), labels, weights)
    return EpochEnd(
        run_id=slot.job.run_id,
        epoch=slot.epoch,
        step=slot.step,
        train_loss=slot.tally.loss / slot.tally.examples,
        train_accuracy=slot.tally.right / slot.tally.examples,
        validation_loss=loss,
        validation_accuracy=_accuracy(logits, labels),
        learning_rate=slot.learning_rate,
        seconds=time.perf_counter() - slot.judged,
        state=state,
    )


def _finish(bank: Bank, slot: Slot, judges: Judges | None) -> RunEnd:
    judges = slot.job.judges or judges
    assert judges is not None
    assert slot.best.logits is not None
    assert slot.held_out.rows is not None
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
        held_out=probabilities(slot.held_out.rows),
        test=probabilities(test),
        state=slot.best.state,
    )


def _accuracy(logits: np.ndarray, labels: Sequence[int] | Ints) -> float:
    return float((logits.argmax(axis=1) == labels).mean())
