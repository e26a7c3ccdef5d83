"""LayerNorm of residual + dropout(update): what closes both halves of a layer."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.dropout import Keep
from weft.nn.native import library


def add_norm(
    update: Tensor, keep: Keep | None, residual: Tensor, norm: nn.LayerNorm
) -> tuple[Tensor, Tensor]:
    """LayerNorm, with frozen weights, of residual + dropout(update).

    Args:
        update: (N, H) in the number format of products.
        keep: what dropout leaves of `update`; None: all.
        residual: (N, H), float32 or wider.

    Returns:
        (N, H) in the format of `residual`, and the same in that of `update`.
    """
    if library.serves(update):
        wide, narrow = cast("Any", _AddNorm).apply(update, keep, residual, norm)
        return wide, wide if narrow is None else narrow
    return plain_add_norm(update, keep, residual, norm)


def plain_add_norm(
    update: Tensor, keep: Keep | None, residual: Tensor, norm: nn.LayerNorm
) -> tuple[Tensor, Tensor]:
    """`add_norm` in torch's own words."""
    if keep is not None:
        update = torch.where(keep.mask(), update * keep.scale, 0)
    shape = list(norm.normalized_shape)
    wide = F.layer_norm(residual + update, shape, norm.weight, norm.bias, norm.eps)
    return wide, wide.to(update.dtype)


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, update: Tensor, keep: Keep | None, residual: Tensor, norm: nn.LayerNorm
    ) -> tuple[Tensor, Tensor | None]:
        wide = torch.empty_like(residual)
        narrow = None if update.dtype == torch.float32 else torch.empty_like(update)
        normal = inverse = None
        if any(ctx.needs_input_grad):
            normal, inverse = torch.empty_like(residual), residual.new_empty(len(residual))
        library.call(
            "norm_forward",
            update.dtype,
            *update.shape,
            update,
            *_drawn(keep),
            residual,
            norm.weight,
            norm.bias,
            float(norm.eps),
            *(wide, narrow, normal, inverse),
        )
        ctx.save_for_backward(normal, inverse)
        ctx.keep, ctx.norm, ctx.dtype = keep, norm, update.dtype
        ctx.set_materialize_grads(False)
        return wide, narrow

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, Tensor, None]:
        d_wide, d_narrow = (None if g is None else g.contiguous() for g in gradients)
        normal, inverse = cast("tuple[Tensor, Tensor]", ctx.saved_tensors)
        d_residual, d_update = torch.empty_like(normal), torch.empty_like(normal, dtype=ctx.dtype)
        library.call(
            "norm_backward",
            ctx.dtype,
            *normal.shape,
            *(d_wide, d_narrow, normal, inverse, ctx.norm.weight),
            *_drawn(ctx.keep),
            *(d_residual, d_update),
        )
        return d_update, None, d_residual, None


def _drawn(keep: Keep | None) -> tuple[Tensor | None, int, float]:
    return (None, 0, 1.0) if keep is None else (keep.bits, keep.threshold, keep.scale)
