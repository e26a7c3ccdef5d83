"""What a step came to: known on a CPU before anything moves, on a device some steps late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from weft.nn.bank import Bank
from weft.text.packing import Strips
from weft.training.batches import Batch, forward, right
from weft.training.readings import Readings
from weft.training.recorded import Steps
from weft.training.slots import Slot
from weft.training.stacked import Stacked


@dataclass(frozen=True)
class _Took:
    """What one run's step came to, before it is taken."""

    slot: Slot
    loss: float
    right: int
    examples: int


class AtOnce:
    """Losses and norms are read as they come, so a run that breaks is known before it moves."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._took: list[_Took] = []
        self._broken: dict[int, str] = {}
        self.losses: dict[str, float] = {}
        """Of the last step, by run."""

    def learn(self, strips: Strips, batches: Sequence[Batch]) -> None:
        """Gives runs computed together their gradients, if all of their losses are numbers.

        Args:
            strips: of the batches.
        """
        given, slots = [batch.given() for batch in batches], [batch.slot for batch in batches]
        streams = [slot.stream() for slot in slots]
        losses, logits = forward(self._bank, strips, streams, given)
        values: list[float] = cast("Any", losses).tolist()
        odd = _odd("loss", values, slots)
        if odd:
            self._broken |= odd
            return
        # runs share no trained weight, so each gets from the sum the gradient of its own loss
        torch.autograd.backward(losses.sum())
        for slot, loss, x, own in zip(slots, values, logits, given, strict=True):
            self._took.append(_Took(slot, loss, int(right(x, own.labels)), len(x)))

    def broken(self, slots: Sequence[Slot], /) -> dict[int, str]:
        """Clips all gradients; whose loss or gradient is no number, by slot.

        Where there is one, nothing of the step stays.
        """
        norms: list[float] = cast("Any", torch.stack([slot.clip() for slot in slots])).tolist()
        found, self._broken = self._broken | _odd("gradient's norm", norms, slots), {}
        if found:
            self._took = []
            for slot in slots:
                slot.clear()
        return found

    def move(self, slots: Sequence[Slot]) -> dict[Slot, tuple[str, int]]:
        """Takes the step; nobody is found to have broken in it any more."""
        took, self._took = self._took, []
        for one in took:
            one.slot.count(one.loss, one.right, one.examples)
        for slot in slots:
            slot.update()
        self.losses = {one.slot.job.run_id: one.loss for one in took}
        return {}

    def catch_up(self) -> None:
        """Nothing is left to be read."""


class Late:
    """The same for a device: all slots move at once, and what steps came to is read in lots.

    Args:
        stacked: moves all slots of the bank.
        every: steps between two readings.
    """

    def __init__(self, bank: Bank, stacked: Stacked, every: int) -> None:
        self._stacked, self._readings = stacked, Readings(every)
        self._steps = Steps(bank, stacked.tape)

    @property
    def losses(self) -> dict[str, float]:
        """What the last step read, by run: of each its newest."""
        return self._readings.losses

    def learn(self, strips: Strips, batches: Sequence[Batch]) -> None:
        """Gives runs computed together their gradients; takes the same as `AtOnce`'s."""
        self._readings.note(batches, self._steps(strips, batches))
        for batch in batches:
            batch.slot.seen += len(batch)

    def broken(self, _: Sequence[Slot], /) -> dict[int, str]:
        """Nobody: of this step nothing is known yet."""
        return {}

    def move(self, slots: Sequence[Slot]) -> dict[Slot, tuple[str, int]]:
        """Moves all but those of whom it is now read that they broke: why, and in which step."""
        read = self._readings.read(at_once=any(slot.closes_epoch for slot in slots))
        going = [slot for slot in slots if slot not in read]
        self._stacked.step([slot.index for slot in going])
        for slot in going:
            slot.update()
        failed = [slot for slot in slots if slot in read]
        return {slot: (f"loss became {read[slot][0]}", read[slot][1]) for slot in failed}

    def catch_up(self) -> None:
        """Reads all there is, so that tallies are those of the steps taken."""
        self._readings.catch_up()


def _odd(what: str, values: Sequence[float], slots: Sequence[Slot]) -> dict[int, str]:
    """What is no number, by the slot whose it is."""
    return {
        slot.index: f"{what} became {value}"
        for slot, value in zip(slots, values, strict=True)
        if not math.isfinite(value)
    }
