"""Attention inside strips: plain batched products under a mask that parts the examples."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import (
    eager_mask,  # pyright: ignore[reportUnknownVariableType]  (bare callables among its arguments)
)

from weft.nn.dropout import BankDropout, masked

PACKED = "weft"
"""Several examples a strip: the mask is the layout's."""
PADDED = "weft-padded"
"""One example a strip: the mask is transformers' own, windows and all."""


def register() -> None:
    """Makes both names known to transformers as attention implementations.

    The mask registry needs the name too: for a name it does not know, transformers drops masks.
    """
    for name, mask in ((PACKED, _given_mask), (PADDED, cast("Any", eager_mask))):
        cast("Any", AttentionInterface).register(name, strip_attention)
        cast("Any", AttentionMaskInterface).register(name, mask)


def _given_mask(*_: Any, attention_mask: Tensor | None = None, **__: Any) -> Tensor | None:
    return attention_mask


def strip_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The attention function of a bank's encoder.

    Args:
        module: the attention layer; its `bank_dropout` draws the mask of the probabilities.
        query, key, value: (N, heads, S, D).
        attention_mask: (N, 1, S, S) additive; None where every token sees every other.
        dropout: what transformers read off the layer; the layer's own `bank_dropout` has it.
        scaling: factor of the scores, 1 / sqrt(D) where None.

    Returns:
        (N, S, heads, D), and no weights.
    """
    del dropout
    heads = query.shape[1]
    factor: float = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query * factor, key.transpose(2, 3))  # (N, heads, S, S)
    if attention_mask is not None:
        assert attention_mask.dim() == 4
        scores = scores + attention_mask.to(scores.dtype)
    probabilities = torch.softmax(scores, dim=-1)
    layer = cast("BankDropout", module.bank_dropout)
    keep = layer.square_mask(heads, probabilities.dtype)
    if keep is not None:
        probabilities = masked(probabilities, keep, layer.scale)
    return torch.matmul(probabilities, value).transpose(1, 2).contiguous(), None
