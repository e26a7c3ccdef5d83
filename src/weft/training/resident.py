"""A run's examples on the device, moved there once; a step then sends places alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.nn.placing import placed
from weft.text.tokens import Ints, Part, Tokens


class Resident:
    """Tokens, labels and weights of one run.

    Args:
        tokens: of all its examples.
        labels, weights: (B,) of each.
    """

    def __init__(
        self,
        tokens: Tokens | Part,
        labels: Ints,
        weights: NDArray[np.float64] | None,
        device: torch.device,
    ) -> None:
        every = tokens.take(np.arange(len(labels)))
        self._lengths = every.lengths
        self._ids, self._types = placed(every.ids, device), placed(every.types, device)
        self._begin = placed(every.offsets[:-1], device)
        self._long = placed(self._lengths, device)
        self._labels = placed(labels, device)
        self._weights = None if weights is None else placed(weights, device)
        self._device = device

    def lengths(self, index: Ints) -> Tokens:
        """How long the examples at `index` (B',) are; their tokens, which the host needs not for
        a layout, count as 0."""
        offsets = np.concatenate([[0], np.cumsum(self._lengths[index])])
        nothing = np.zeros(int(offsets[-1]), dtype=np.int64)
        return Tokens(nothing, nothing, offsets)

    def take(self, index: Ints) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Token ids (T,), token types (T,), labels (B',) and weights (B',) of the examples."""
        total = int(self._lengths[index].sum())
        here = placed(index, self._device)
        long = self._long[here]
        begin = self._begin[here] - (long.cumsum(0) - long)
        place = torch.arange(total, device=self._device)
        place = place + torch.repeat_interleave(begin, long, output_size=total)
        weights = None if self._weights is None else self._weights[here]
        return self._ids[place], self._types[place], self._labels[here], weights
