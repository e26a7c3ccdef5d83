"""LayerNorm of residual + dropout(update) as one kernel each way; its plain twin is
`flat.norm.plain_add_norm`."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from weft.nn.dropout import Keep
from weft.nn.gpu.there import drawn, kernel, power


def add_norm(
    update: Tensor, keep: Keep | None, residual: Tensor, norm: nn.LayerNorm
) -> tuple[Tensor, Tensor]:
    """As `flat.norm.add_norm`; the norm's weights are frozen, the residual float32."""
    weights = norm.weight, norm.bias, norm.eps
    wide, narrow = cast("Any", _AddNorm).apply(update.contiguous(), keep, residual, *weights)
    return wide, wide if narrow is None else narrow


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        update: Tensor,
        keep: Keep | None,
        residual: Tensor,
        weight: Tensor,
        bias: Tensor,
        epsilon: float,
    ) -> tuple[Tensor, Tensor | None]:
        rows, width = update.shape
        residual = residual.contiguous()
        twice, keeps = update.dtype != torch.float32, any(ctx.needs_input_grad)
        wide = torch.empty_like(residual)
        narrow = torch.empty_like(update) if twice else None
        normal = torch.empty_like(residual) if keeps else wide
        inverse = residual.new_empty(rows) if keeps else wide
        bits, threshold, scale = drawn(keep, update)
        kernel("norm_forward")[(rows,)](
            *(update, bits, residual, weight, bias),
            *(wide, wide if narrow is None else narrow, normal, inverse),
            *(width, threshold, scale, epsilon),
            DROPS=keep is not None, TWICE=twice, KEEPS=keeps, BLOCK=power(width),
        )  # fmt: skip
        if keeps:
            ctx.save_for_backward(normal, inverse, weight)
        ctx.keep, ctx.dtype = keep, update.dtype
        ctx.set_materialize_grads(False)
        return wide, narrow

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        d_wide, d_narrow = (None if g is None else g.contiguous() for g in gradients)
        normal, inverse, weight = cast("tuple[Tensor, Tensor, Tensor]", ctx.saved_tensors)
        rows, width = normal.shape
        d_residual, d_update = torch.empty_like(normal), torch.empty_like(normal, dtype=ctx.dtype)
        bits, threshold, scale = drawn(ctx.keep, normal)
        kernel("norm_backward")[(rows,)](
            *(normal if d_wide is None else d_wide, normal if d_narrow is None else d_narrow),
            *(normal, inverse, weight, bits, d_residual, d_update, width, threshold, scale),
            WIDE=d_wide is not None, NARROW=d_narrow is not None, DROPS=ctx.keep is not None,
            BLOCK=power(width),
        )  # fmt: skip
        return d_update, None, d_residual, None, None, None
