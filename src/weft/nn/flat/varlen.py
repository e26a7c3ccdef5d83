"""Attention by torch's kernel for examples of any length, where a GPU has it."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from weft.nn.flat.attention import Shape
    from weft.nn.flat.rows import Rows


@cache
def _there() -> bool:
    """Whether this torch has it (2.10 and later)."""
    return importlib.util.find_spec("torch.nn.attention.varlen") is not None


def serves(kv: Tensor, heads: int, width: int) -> bool:
    """Whether the kernel takes activations such as these, nothing being dropped.

    It is Flash Attention: bfloat16, heads of at most 256 numbers in eights, from Ampere on. It
    draws no dropout that could be told by run and token, so where probabilities are dropped the
    padded twin computes.

    Args:
        width: H.
    """
    return (
        kv.device.type == "cuda"
        and kv.dtype == torch.bfloat16
        and width // heads <= 256
        and width // heads % 8 == 0
        and _there()
        and torch.cuda.get_device_capability(kv.device) >= (8, 0)
    )


def attend(q: Tensor | None, kv: Tensor, rows: Rows, shape: Shape) -> Tensor:
    """`attention.attend` without dropout; arguments and result are its own."""
    from torch.nn.attention.varlen import varlen_attn

    used = rows.padded.used
    # the kernel leaves alone what no example has, in gradients too: whatever lies there
    # may be no number, and goes no further
    kv = torch.where(used, kv, 0)
    parts = kv.reshape(len(kv), 3 if q is None else 2, shape.heads, -1)
    query = parts[:, 0] if q is None else q.reshape(len(q), shape.heads, -1)
    asking, most = (rows.on("ends"), rows.longest) if q is None else (rows.on("one_each"), 1)
    context = cast("Any", varlen_attn)(
        query.contiguous(),
        parts[:, -2].contiguous(),
        parts[:, -1].contiguous(),
        asking,
        rows.on("ends"),
        most,
        rows.longest,
        scale=shape.factor,
    )
    context = cast("Tensor", context).flatten(1)
    return torch.where(used, context, 0) if q is None else context
