"""Which rows of a flat step are whose: of which run, of which example."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from weft.nn.flat.padded import Padded
from weft.nn.placing import placed
from weft.text.packing import Strips
from weft.text.tokens import Ints

if TYPE_CHECKING:
    from weft.nn.flat.grouped import Groups


@dataclass(frozen=True)
class Runs:
    """Rows begin[i] .. begin[i + 1] belong to slot[i]."""

    begin: Ints  # (runs + 1,)
    slot: Ints  # (runs,)
    groups: dict[int, Groups] = field(default_factory=dict["int", "Groups"], compare=False)
    """What `grouped.groups_of` made of it, by number of slots; kept as long as the step."""

    def parts(self) -> list[tuple[int, slice]]:
        """(slot, its rows) of every run."""
        bounds = self.begin.tolist()
        return [
            (slot, slice(bounds[i], bounds[i + 1])) for i, slot in enumerate(self.slot.tolist())
        ]


class Rows:
    """The rows of one flat step: T tokens in canonical order, then what fills up to N rows."""

    def __init__(self, strips: Strips, device: torch.device | None = None) -> None:
        self._device = device
        self.tokens = len(strips.place)
        self.filled = strips.ids.size
        self.lengths = strips.lengths  # (B,)
        self.begin: Ints = np.concatenate([[0], np.cumsum(strips.lengths)])  # (B + 1,)
        self.longest = int(strips.lengths.max())
        self._segments = strips.segments

    def _runs(self, counts: list[int]) -> Runs:
        slots = [segment.slot for segment in self._segments]
        return Runs(np.concatenate([[0], np.cumsum(counts)]), np.array(slots, dtype=np.int64))

    @cached_property
    def by_token(self) -> Runs:
        """Whose the tokens are."""
        return self._runs([segment.tokens for segment in self._segments])

    @cached_property
    def by_example(self) -> Runs:
        """Whose the examples are."""
        return self._runs([segment.examples for segment in self._segments])

    @cached_property
    def first(self) -> Tensor:
        """Row of each example's first token, (B,)."""
        return placed(self.begin[:-1], self._device)

    @cached_property
    def squares(self) -> Ints:
        """Sums of the squared lengths before each example, (B + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths**2)])

    @cached_property
    def padded(self) -> Padded:
        """The rows as examples padded to the longest."""
        return Padded(self.lengths, self.begin, self.filled, self._device)

    @cached_property
    def ends(self) -> Tensor:
        """Rows before each example, (B + 1,) int32, as kernels of the device take them."""
        return placed(self.begin.astype(np.int32), self._device)

    @cached_property
    def one_each(self) -> Tensor:
        """`ends` of one row an example, (B + 1,) int32."""
        return placed(np.arange(len(self.begin), dtype=np.int32), self._device)
