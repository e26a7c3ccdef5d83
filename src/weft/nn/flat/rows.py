"""Which rows of a flat step are whose: of which run, of which example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.nn.flat.padded import Padded
from weft.nn.gpu.there import LONGEST, power
from weft.nn.placing import away, placed
from weft.text.packing import Strips
from weft.text.tokens import Ints


@dataclass(frozen=True)
class Runs:
    """Rows begin[i] .. begin[i + 1] belong to slot[i]."""

    begin: Ints  # (runs + 1,)
    slot: Ints  # (runs,)
    there: tuple[Tensor, Tensor] | None = None
    """Both on the device, where the bank computes on one."""

    def part(self, first: int, end: int) -> Runs:
        """Runs `first` to `end`, their rows counted as before."""
        if (first, end) == (0, len(self.slot)):
            return self
        there = self.there and (self.there[0][first : end + 1], self.there[1][first:end])
        return Runs(self.begin[first : end + 1], self.slot[first:end], there)

    def parts(self) -> list[tuple[int, slice]]:
        """(slot, its rows) of every run."""
        bounds = self.begin.tolist()
        return [
            (slot, slice(bounds[i], bounds[i + 1])) for i, slot in enumerate(self.slot.tolist())
        ]


class Rows:
    """The rows of one flat step: T tokens in canonical order, then what fills up to N rows.

    All arrays that a device needs of a step have a name and lie in `there` once they were asked
    for, so that a step can be computed again with other numbers in the same places.

    Args:
        offset: what the encoder adds to positions.
        streams: of the runs, for dropout.
        there: those that lie on the device already.
    """

    def __init__(
        self,
        strips: Strips,
        device: torch.device | None = None,
        *,
        offset: int = 0,
        streams: Sequence[Any] | None = None,
        there: dict[str, Tensor] | None = None,
    ) -> None:
        self._device = device
        self.strips, self.offset, self.streams = strips, offset, streams
        self.tokens = len(strips.place)
        self.filled = strips.ids.size
        self.lengths = strips.lengths  # (B,)
        self.begin: Ints = np.concatenate([[0], np.cumsum(strips.lengths)])  # (B + 1,)
        self.longest = int(strips.lengths.max())
        self.fixed = there is not None
        self.there: dict[str, Tensor] = {} if there is None else there

    def on(self, name: str) -> Tensor:
        """The array of this name, where the bank computes."""
        if name not in self.there:
            self.there[name] = placed(self.array(name), self._device)
        return self.there[name]

    def array(self, name: str) -> NDArray[Any]:
        """The array of this name; `ARRAYS` says what it is."""
        return ARRAYS[name](self)

    def _runs(self, name: str) -> Runs:
        there = (self.on(name), self.on("slots")) if away(self._device) else None
        return Runs(self.array(name), self.array("slots"), there)

    @cached_property
    def by_token(self) -> Runs:
        """Whose the tokens are."""
        return self._runs("tokens")

    @cached_property
    def by_example(self) -> Runs:
        """Whose the examples are."""
        return self._runs("examples")

    @cached_property
    def squares(self) -> Ints:
        """Sums of the squared lengths before each example, (B + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths**2)])

    @property
    def room(self) -> int | None:
        """Rows that bits of attention's pairs take up on a device, whatever the lengths below the
        next power of two; None: as many as there are."""
        if not away(self._device) or self.longest > LONGEST:
            return None
        return len(self.lengths) * power(self.longest) ** 2

    @cached_property
    def padded(self) -> Padded:
        """The rows as examples padded to the longest."""
        assert not self.fixed, "what depends on lengths cannot be computed again with others"
        return Padded(self.lengths, self.begin, self.filled, self._device)

    def of_runs(self, values: Ints) -> Ints:
        """(B + 1,) sums before each example -> (runs + 1,) before each run."""
        ends = np.cumsum([segment.examples for segment in self.strips.segments])
        return values[np.concatenate([[0], ends])]

    def keys(self) -> Ints:
        """(runs,) what each run's random bits are drawn from."""
        assert self.streams is not None
        return np.array([stream.key for stream in self.streams], dtype=np.int64)


ARRAYS: dict[str, Callable[[Rows], NDArray[Any]]] = {
    "ids": lambda rows: rows.strips.ids,  # (1, N)
    "types": lambda rows: rows.strips.types,  # (1, N)
    "positions": lambda rows: rows.strips.positions + rows.offset,  # (1, N)
    "first": lambda rows: rows.begin[:-1],  # (B,) row of each example's first token
    "ends": lambda rows: rows.begin.astype(np.int32),  # (B + 1,) rows before each example
    "one_each": lambda rows: np.arange(len(rows.begin), dtype=np.int32),  # the same of one row each
    "owners": lambda rows: rows.strips.owners,  # (N,)
    "lengths": lambda rows: rows.lengths,  # (B,)
    "squares": lambda rows: rows.squares,
    "tokens": lambda rows: rows.of_runs(rows.begin),  # (runs + 1,) rows before each run
    "examples": lambda rows: rows.of_runs(np.arange(len(rows.begin))),  # the same of examples
    "areas": lambda rows: rows.of_runs(rows.squares),  # the same of squared lengths
    "slots": lambda rows: np.array([s.slot for s in rows.strips.segments], dtype=np.int64),
    "keys": Rows.keys,
}
"""What a step is made of, by name."""
