"""A run's examples on the device, moved there once; a step then sends places alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from weft.nn.placing import placed
from weft.text.tokens import Ints, Part, Tokens, places


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
        self._offsets, self._lengths = every.offsets, every.lengths
        self.ids, self.types = placed(every.ids, device), placed(every.types, device)  # (T,)
        self.labels = placed(labels, device)  # (B,)
        self.weights = None if weights is None else placed(weights, device)  # (B,)

    def lengths(self, index: Ints) -> Tokens:
        """How long the examples at `index` (B',) are; their tokens, which the host needs not for
        a layout, count as 0."""
        offsets = np.concatenate([[0], np.cumsum(self._lengths[index])])
        nothing = np.zeros(int(offsets[-1]), dtype=np.int64)
        return Tokens(nothing, nothing, offsets)

    def places(self, index: Ints) -> Ints:
        """Where the tokens of the examples at `index` (B',) lie, (T',)."""
        return places(self._offsets, index)[0]
