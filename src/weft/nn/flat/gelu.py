"""GELU by the error function, of activations in any number format."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from weft.nn.native import library


def gelu(x: Tensor) -> Tensor:
    """x times the normal law's cumulative probability at x; the plain form is torch's own."""
    return cast("Any", _Gelu).apply(x) if library.serves(x) else F.gelu(x)


class _Gelu(torch.autograd.Function):
    """Keeps the derivative instead of the input, so that the costly part is computed once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        slope = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        library.call("gelu", x.dtype, x.numel(), x, out, slope)
        ctx.save_for_backward(slope)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (slope,) = cast("tuple[Tensor]", ctx.saved_tensors)
        return gradients[0] * slope
