"""What runs learn from in one step, and what that comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from weft.nn.bank import Bank, Streams
from weft.nn.flat.rows import Rows
from weft.nn.placing import placed
from weft.text.packing import Strips
from weft.text.tokens import Ints, Tokens
from weft.training.slots import Slot


@dataclass(frozen=True)
class Batch:
    """The examples that one run learns from in one step."""

    slot: Slot
    index: Ints  # (B,) which of the run's
    tokens: Tokens
    """Where they lie on the device, their lengths alone."""

    @classmethod
    def of(cls, slot: Slot) -> Batch:
        """The next of a slot's run."""
        index, there = slot.next_batch(), slot.resident
        tokens = slot.job.tokens.take(index) if there is None else there.lengths(index)
        return cls(slot, index, tokens)

    def __len__(self) -> int:
        return len(self.index)

    def given(self) -> Given:
        """What the bank is given of it."""
        job, there = self.slot.job, self.slot.resident
        if there is None:
            weights = None if job.weights is None else torch.as_tensor(job.weights[self.index])
            return Given(torch.as_tensor(job.labels[self.index]), weights)
        place = placed(there.places(self.index), there.ids.device)
        here = placed(self.index, there.ids.device)
        weights = None if there.weights is None else there.weights[here]
        return Given(there.labels[here], weights, (there.ids[place], there.types[place]))


@dataclass(frozen=True)
class Given:
    """One run's labels and weights in a step, where the bank computes."""

    labels: Tensor  # (B,)
    weights: Tensor | None  # (B,)
    tokens: tuple[Tensor, Tensor] | None = None
    """Ids and types (T,) where they are on the device."""


def forward(
    bank: Bank,
    strips: Strips,
    streams: Streams,
    given: Sequence[Given],
    rows: Rows | None = None,
) -> tuple[Tensor, Sequence[Tensor]]:
    """Mean losses (G,) of runs computed together, and the logits (B, C) of each.

    Args:
        given: of each run, in the order of the strips' segments.
        rows: where the caller made them, tokens and all.
    """
    tokens = [own.tokens for own in given if own.tokens is not None]
    there = None
    if tokens and rows is None:
        ids, types = zip(*tokens, strict=True)
        there = torch.cat(ids), torch.cat(types)
    logits = bank(strips, streams, there, rows)  # (B, C)
    parts = logits.split([len(own.labels) for own in given])
    losses = [_loss(x, own.labels, own.weights) for x, own in zip(parts, given, strict=True)]
    return torch.stack(losses), parts


def right(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of (B, C) are right, ()."""
    return (logits.argmax(1) == labels).sum()


def _loss(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
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
    return (each * weights.to(each.dtype)).mean()
