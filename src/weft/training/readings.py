"""What steps came to, read from the device some steps late.

To read a number holds up the host until the device has computed it, and then the device until the
host has asked for more. So on a device losses are gathered there, sent when there are enough of
them, and looked at when the next lot is sent or an epoch ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from weft.training.batches import Batch
from weft.training.slots import Slot

EVERY = {"cuda": 64}
"""Steps whose losses are read at a time."""


@dataclass(frozen=True)
class _Noted:
    slot: Slot
    step: int
    examples: int


class Readings:
    """Losses and hits of the steps taken; adds them to the slots' tallies in their order.

    Args:
        every: steps between two readings.
    """

    def __init__(self, every: int) -> None:
        self._every, self._steps = every, 0
        self._noted: list[_Noted] = []
        self._values: list[Tensor] = []  # (2, G) each, of the runs noted, in their order
        self._failed: dict[Slot, tuple[float, int]] = {}
        self.losses: dict[str, float] = {}
        """What the last step read, by run: of each its newest."""
        self._sent: tuple[list[_Noted], Tensor, torch.cuda.Event | None] | None = None

    def note(self, batches: Sequence[Batch], values: Tensor) -> None:
        """Takes down the step under way of runs computed together.

        Args:
            values: (2, G) float64, mean losses and how many were right.
        """
        self._noted += [_Noted(b.slot, b.slot.step + 1, len(b)) for b in batches]
        self._values.append(values)

    def read(self, *, at_once: bool) -> dict[Slot, tuple[float, int]]:
        """Ends a step.

        Args:
            at_once: reads all that is noted.

        Returns:
            Of what was read, runs whose loss was no number: that, and in which step.
        """
        self._steps += 1
        self.losses = {}
        if at_once:
            self.catch_up()
        elif self._steps >= self._every:
            self._arrive()
            self._send()
        failed, self._failed = self._failed, {}
        return failed

    def catch_up(self) -> None:
        """Reads all that is noted; whose loss was no number is told with the next step."""
        self._arrive()
        self._send()
        self._arrive()

    def _send(self) -> None:
        noted, self._noted, self._steps = self._noted, [], 0
        if not noted:
            return
        # float64 holds both as they are: a tally is then the same as if each had been read
        values, self._values = torch.cat(self._values, dim=1), []
        if values.device.type != "cuda":
            self._sent = noted, values.cpu(), None
            return
        there = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        there.copy_(values, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._sent = noted, there, event

    def _arrive(self) -> None:
        if self._sent is None:
            return
        (noted, values, event), self._sent = self._sent, None
        if event is not None:
            event.synchronize()
        losses, hits = cast("list[list[float]]", cast("Any", values).tolist())
        self._add(noted, list(zip(losses, map(int, hits), strict=True)))

    def _add(self, noted: Sequence[_Noted], values: Sequence[tuple[float, int]]) -> None:
        for one, (loss, right) in zip(noted, values, strict=True):
            tally = one.slot.tally
            tally.add(loss, right, one.examples)
            self.losses[one.slot.job.run_id] = loss
            # a sum that is no number stays so, in a snapshot too
            if not math.isfinite(tally.loss):
                if not tally.broke:
                    tally.value = tally.loss if math.isfinite(loss) else loss
                    tally.broke = one.step
                self._failed.setdefault(one.slot, (tally.value, tally.broke))
