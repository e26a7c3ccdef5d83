"""A device's steps, recorded by their shape.

All that changes from step to step lies in places of its own, which are filled before the recording
is started. One serves steps that agree in everything else: the runs with their numbers of
examples, the rows rounded up, and the power of two that holds the longest example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weft.nn.bank import Bank, Streams
from weft.nn.flat.rows import ARRAYS, Rows
from weft.nn.gpu import there
from weft.nn.gpu.tape import Again, Tape
from weft.nn.placing import placed
from weft.text.packing import Strips
from weft.training.batches import Batch, Given, forward, right

_MOST = 128  # shapes held; each takes some megabytes
_ALIGNED = 16  # bytes; kernels are compiled for what lies so


class Steps:
    """Forward and backward of a bank's steps.

    Args:
        tape: None: nothing is recorded.
    """

    def __init__(self, bank: Bank, tape: Tape | None) -> None:
        self._bank, self._tape = bank, tape
        self._steps: dict[Any, _Step] = {}
        self._adapters = bank.adapters
        self._like = torch.empty(0, dtype=bank.dtype, device=bank.device)
        self._width = 0
        if tape is not None:  # so the encoder is of a known build
            config = bank.backbone.config
            self._width = config.hidden_size // config.num_attention_heads  # of a head

    def __call__(self, strips: Strips, batches: Sequence[Batch]) -> Tensor:
        """Gives runs computed together their gradients; their mean losses, and how many were right:
        (2, G) float64."""
        longest = int(strips.lengths.max())
        if self._tape is None or not there.attends(self._like, longest, self._width):
            given = [batch.given() for batch in batches]
            streams = [batch.slot.stream() for batch in batches]
            return _learn(self._bank, strips, streams, given)
        if self._bank.adapters != self._adapters:  # what was recorded scales as they were
            self._steps.clear()
            self._adapters = self._bank.adapters
        key = (
            strips.ids.size,
            there.power(longest),
            *((b.slot.index, len(b), b.slot.job.weights is None) for b in batches),
        )
        step = self._steps.get(key)
        if step is None:
            if len(self._steps) >= _MOST:
                self._steps.clear()
            step = self._steps[key] = _Step(self._bank, strips, batches, self._tape)
        return step(strips, batches)


def _learn(
    bank: Bank, strips: Strips, streams: Streams, given: Sequence[Given], rows: Rows | None = None
) -> Tensor:
    losses, parts = forward(bank, strips, streams, given, rows)
    # runs share no trained weight, so each gets from the sum the gradient of its own loss
    torch.autograd.backward(losses.sum())
    hits = [right(x, own.labels) for x, own in zip(parts, given, strict=True)]
    return torch.stack([losses.detach().double(), torch.stack(hits).double()])


class _Noted(dict[str, Tensor]):
    """Takes note of what was asked for."""

    def __init__(self, known: dict[str, Tensor]) -> None:
        super().__init__(known)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.asked.add(name)
        return super().__getitem__(name)


class _Step:
    """Steps of one shape, their arrays in places of their own."""

    def __init__(self, bank: Bank, strips: Strips, batches: Sequence[Batch], tape: Tape) -> None:
        self._bank, device = bank, bank.device
        streams = [batch.slot.stream() for batch in batches]
        rows = bank.rows_of(strips, streams)
        arrays = {name: rows.array(name) for name in ARRAYS if name not in ("ids", "types")}
        examples = sum(map(len, batches))
        arrays["index"] = np.zeros(examples, dtype=np.int64)
        arrays["places"] = np.zeros(rows.filled, dtype=np.int64)
        self._at: dict[str, slice] = {}
        size = 0
        for name, array in arrays.items():
            self._at[name] = slice(size, size + array.nbytes)
            size += -(-array.nbytes // _ALIGNED) * _ALIGNED
        self._buffer = np.zeros(size, dtype=np.uint8)
        self._bytes = torch.zeros(size, dtype=torch.uint8, device=device)
        self._there = {
            name: self._bytes[self._at[name]].view(torch.as_tensor(array).dtype).view(array.shape)
            for name, array in arrays.items()
        }
        self._names: set[str] = set(arrays) - {"index", "places"}
        self._ids = torch.full((1, rows.filled), bank.pad, dtype=torch.int64, device=device)
        self._types = torch.zeros_like(self._ids)
        self._labels = torch.zeros(examples, dtype=torch.int64, device=device)
        self._weights = torch.ones(examples, dtype=torch.float64, device=device)
        known = {**self._there, "ids": self._ids, "types": self._types}
        noted = _Noted(known)
        counts = [len(batch) for batch in batches]
        labels, weights = torch.split(self._labels, counts), torch.split(self._weights, counts)
        given = [
            Given(y, None if batch.slot.job.weights is None else w)
            for y, w, batch in zip(labels, weights, batches, strict=True)
        ]
        own = bank.rows_of(strips, streams, noted)
        self._noted: _Noted | None = noted
        self._again = Again(lambda: _learn(bank, strips, streams, given, own), tape)

    def __call__(self, strips: Strips, batches: Sequence[Batch]) -> Tensor:
        self._fill(strips, batches)
        told = self._again()
        if self._noted is not None:
            self._names &= self._noted.asked
            self._noted = None
        return told.clone()

    def _fill(self, strips: Strips, batches: Sequence[Batch]) -> None:
        """Sends what the step is made of; tokens, labels and weights are on the device."""
        rows = self._bank.rows_of(strips, [batch.slot.stream() for batch in batches])
        for name in self._names:
            self._put(name, rows.array(name))
        self._put("index", np.concatenate([batch.index for batch in batches]))
        residents = [batch.slot.resident for batch in batches]
        places = [
            own.places(batch.index)
            for own, batch in zip(residents, batches, strict=True)
            if own is not None
        ]
        self._put("places", np.concatenate(places))
        self._bytes.copy_(placed(self._buffer, self._bytes.device), non_blocking=True)
        token = example = 0
        for own, batch, place in zip(residents, batches, places, strict=True):
            assert own is not None
            here = slice(token, token + len(place))
            which = self._there["places"][here]
            torch.index_select(own.ids, 0, which, out=self._ids[0, here])
            torch.index_select(own.types, 0, which, out=self._types[0, here])
            token, here = here.stop, slice(example, example + len(batch))
            which, example = self._there["index"][here], here.stop
            torch.index_select(own.labels, 0, which, out=self._labels[here])
            if own.weights is not None:
                torch.index_select(own.weights, 0, which, out=self._weights[here])

    def _put(self, name: str, array: np.ndarray[Any, Any]) -> None:
        part = self._buffer[self._at[name]].view(array.dtype)
        part[: array.size] = array.ravel()
