"""A step's flat rows laid out as examples padded to the longest, and back: indices made once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from weft.nn.placing import away, placed
from weft.text.tokens import Ints


class Padded:
    """Index tensors for attention in torch's own words.

    All that depends on a value is decided on the host, so that no layer asks the device for one.
    On a device, where runs break late, what lies behind an example's end is its own last token
    again, never a neighbour's: a weight of zero times a number that is none would be none.

    Args:
        lengths: (B,) tokens of each example.
        begin: (B + 1,) rows before each.
        filled: N, the rows with those that no example has.
    """

    def __init__(
        self, lengths: Ints, begin: Ints, filled: int, device: torch.device | None
    ) -> None:
        self._lengths, self._device = lengths, device
        within = np.arange(int(lengths.max()))
        there = within < lengths[:, None]
        last = lengths[:, None] - 1
        source = np.zeros(filled, dtype=np.int64)
        source[: int(begin[-1])] = np.flatnonzero(there)
        self.there = placed(there, device)  # (B, L) whether a token is
        place = begin[:-1, None] + np.minimum(within, last)
        if not away(device):
            place = np.where(there, place, 0)
        self.place = placed(place, device)  # (B, L) its row
        self.source = placed(source, device)  # (N,) where in B * L a row's token lies
        self.used = placed(np.arange(filled)[:, None] < begin[-1], device)  # (N, 1)
        self._draws: dict[int, Tensor] = {}

    def draws(self, heads: int) -> Tensor:
        """(B, heads, L, L) place of each probability among draws in the order example, head,
        query, key; 0 where there is none."""
        if heads not in self._draws:
            area = self._lengths**2
            begin = placed(np.cumsum(area) - area, self._device)[:, None, None, None]
            length = placed(self._lengths, self._device)[:, None, None, None]
            within = torch.arange(self.there.shape[1], device=self._device)
            head = torch.arange(heads, device=self._device)[:, None, None]
            index = heads * begin + head * length**2 + within[:, None] * length + within
            inside = self.there[:, None, None] & self.there[:, None, :, None]
            self._draws[heads] = torch.where(inside, index, 0)
        return self._draws[heads]
