"""Products with frozen weights on the processor's tile unit (Intel's AMX), for inference.

The plain twin is `F.linear`, and GELU behind it: `product` gives the same, rounded once.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.nn.native import library

_SIDE = 32  # of the blocks that the unit adds up


def serves(weight: Tensor) -> bool:
    """Whether the unit multiplies with such a weight (out, in)."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and not any(side % _SIDE for side in weight.shape)
        and library.tiles()
    )


def lay(weight: Tensor) -> Tensor:
    """A weight (out, in) as `product` reads it, (out, in) numbers in another order."""
    laid = torch.empty_like(weight, memory_format=torch.contiguous_format)
    library.call("tiles_lay", weight.dtype, *weight.shape, weight.contiguous(), laid)
    return laid


def product(x: Tensor, laid: Tensor, bias: Tensor, *, gelu: bool) -> Tensor:
    """x W^T + bias, through GELU or not.

    Args:
        x: (N, in), bfloat16.
        laid: what `lay` made of the weight (out, in).
        bias: (out,), float32.

    Returns:
        (N, out), bfloat16.
    """
    x = x if x.stride(1) == 1 else x.contiguous()
    y = x.new_empty(len(x), len(laid))
    sizes = len(x), laid.shape[1], len(laid)
    library.call("product", x.dtype, *sizes, x, x.stride(0), laid, bias, y, None, int(gelu))
    return y


def attends(kv: Tensor, dim: int) -> bool:
    """Whether `attend` takes keys and values such as these, with heads this wide."""
    return (
        kv.device.type == "cpu" and kv.dtype == torch.bfloat16 and dim % 32 == 0 and library.tiles()
    )


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    begin: NDArray[np.int64],
    heads: int,
    factor: float,
    out: Tensor,
    *,
    first: bool,
) -> None:
    """Softmax attention of each example's tokens among themselves.

    Args:
        q: (N, H), or where `first` (B, H): queries of each example's first token alone.
        k: (N, H); v: (N, H); rows begin[e] to begin[e + 1] are example e's.
        begin: (B + 1,)
        factor: of the scores.
        out: shaped as `q`; gets what each query found.
    """
    examples, hidden = len(begin) - 1, q.shape[1]
    longest = int(np.diff(begin).max())
    library.call(
        "tiles_attend",
        q.dtype,
        *(examples, heads, hidden // heads, longest, int(first), q.stride(0), k.stride(0)),
        *(library.address(begin), float(factor)),
        *(q, k, v, out, torch.get_num_threads()),
    )
