"""One step of a bank as the training loop takes it, without the optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from weft.nn.bank import Bank
from weft.nn.dropout import Stream
from weft.text.packing import pack
from weft.text.tokens import Tokens

from ..tiny import clear, gradients


@dataclass(frozen=True)
class Part:
    """One run's share of a step."""

    slot: int
    tokens: Tokens
    labels: np.ndarray
    stream: tuple[int, int] | None = None  # (seed, step); None: no dropout


@dataclass(frozen=True)
class Outcome:
    """What one run gets from a step."""

    logits: Tensor
    loss: Tensor
    gradients: dict[str, Tensor]


def step(bank: Bank, parts: Sequence[Part], width: int | None = None) -> list[Outcome]:
    """Losses and gradients of all parts, from one forward and one backward."""
    clear(bank)
    batches = [(part.slot, part.tokens) for part in parts]
    strips = pack(batches, pad=bank.pad, width=width, form=bank.form)
    streams = None
    if parts[0].stream is not None:
        streams = [Stream(*part.stream) for part in parts if part.stream is not None]
    logits = bank(strips, streams).split([len(part.labels) for part in parts])
    losses = [
        cross_entropy(own, torch.from_numpy(part.labels))
        for own, part in zip(logits, parts, strict=True)
    ]
    torch.stack(losses).sum().backward()
    return [
        Outcome(own.detach(), loss.detach(), gradients(bank, part.slot))
        for own, loss, part in zip(logits, losses, parts, strict=True)
    ]
