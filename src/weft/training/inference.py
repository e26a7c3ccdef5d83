"""Logits of one slot over a whole set of examples, packed once and used for every slot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.nn.bank import Bank
from weft.nn.placing import away
from weft.text.packing import Strips, pack_for_inference
from weft.text.tokens import Ints, Tokens

# strips' worth of tokens in a step: memory for more activations of flat layers is given back to the
# system and faulted in again each time; other layers have more to do for each step
_FEW, _MANY = 24, 48
_ALL = 128  # a device has room, and each call costs its host more than more rows cost


@dataclass(frozen=True)
class Packed:
    """A set of examples, sorted by length and packed into steps."""

    steps: list[tuple[Ints, Strips]]
    examples: int

    @classmethod
    def of(cls, tokens: Tokens, bank: Bank) -> Packed:
        """Packs all examples as the bank's encoder takes them."""
        strips = _FEW if bank.form == "flat" else _MANY
        if away(bank.device):
            strips = _ALL
        steps = pack_for_inference(
            tokens, pad=bank.pad, strips=strips, form=bank.form, rows=bank.multiple
        )
        return cls(steps, len(tokens))


def logits_of(bank: Bank, slot: int, packed: Packed) -> NDArray[np.float64]:
    """Logits of a slot's run, without dropout, (B, C) in the order of the examples."""
    return _collect(bank, slot, packed, pooled=False)


def pooled_of(bank: Bank, slot: int, packed: Packed) -> NDArray[np.float64]:
    """What the encoder hands to a slot's head, (B, H) in the order of the examples."""
    return _collect(bank, slot, packed, pooled=True)


def _collect(bank: Bank, slot: int, packed: Packed, *, pooled: bool) -> NDArray[np.float64]:
    rows: Tensor | None = None
    for index, strips in packed.steps:
        own = replace(strips, segments=tuple(replace(s, slot=slot) for s in strips.segments))
        with torch.no_grad():
            part = bank.pooled(own) if pooled else bank(own)
        if rows is None:
            rows = torch.zeros(packed.examples, part.shape[1], dtype=torch.float64)
        rows[torch.as_tensor(index)] = part.double().cpu()
    assert rows is not None, "a split holds at least one example"
    return rows.numpy()


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over classes, (B, C) -> (B, C)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def cross_entropy(
    logits: NDArray[np.float64], labels: Ints, weights: NDArray[np.float64] | None = None
) -> float:
    """Mean cross-entropy in nats; with weights (B,) their weighted mean."""
    each = cross_entropies(logits, labels)
    return float(each.mean() if weights is None else np.average(each, weights=weights))


def cross_entropies(logits: NDArray[np.float64], labels: Ints) -> NDArray[np.float64]:
    """(B,) cross-entropy of each example in nats."""
    top = logits.max(axis=1)
    normal = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return normal - logits[np.arange(len(labels)), labels]
