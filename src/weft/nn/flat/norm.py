"""LayerNorm of residual + dropout(update): what closes both halves of a layer."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.dropout import Keep
from weft.nn.flat.biases import add_by_run
from weft.nn.flat.rows import Runs
from weft.nn.gpu import there
from weft.nn.leaves import BankNorm
from weft.nn.native import library

Norm = nn.LayerNorm | BankNorm


def add_norm(
    update: Tensor, keep: Keep | None, residual: Tensor, norm: Norm, runs: Runs | None = None
) -> tuple[Tensor, Tensor]:
    """LayerNorm of residual + dropout(update); its weights may be frozen, or trained.

    Args:
        update: (N, H) in the number format of products.
        keep: what dropout leaves of `update`; None: all.
        residual: (N, H), float32 or wider.
        norm: with one bias for all rows, or one a slot.
        runs: whose the rows are; a norm with one bias for all needs it not.

    Returns:
        (N, H) in the format of `residual`, and the same in that of `update`.
    """
    if there.serves(update) and residual.dtype == torch.float32 and _frozen(norm):
        from weft.nn.gpu import norm as gpu

        return gpu.add_norm(update, keep, residual, cast("nn.LayerNorm", norm))
    if not library.serves(update):
        return plain_add_norm(update, keep, residual, norm, runs)
    if isinstance(norm, BankNorm):
        assert runs is not None
        weights = (norm.weight, norm.zero, norm.eps)
        wide, _ = cast("Any", _AddNorm).apply(update, keep, residual, *weights, False)
        wide = add_by_run(wide, norm.bias, runs)
        return wide, wide.to(update.dtype)
    weights = (norm.weight, norm.bias, norm.eps)
    twice = update.dtype != torch.float32
    wide, narrow = cast("Any", _AddNorm).apply(update, keep, residual, *weights, twice)
    return wide, wide if narrow is None else narrow


def plain_add_norm(
    update: Tensor, keep: Keep | None, residual: Tensor, norm: Norm, runs: Runs | None = None
) -> tuple[Tensor, Tensor]:
    """`add_norm` in torch's own words."""
    if keep is not None:
        update = torch.where(keep.mask(), update * keep.scale, 0)
    shape = list(norm.normalized_shape)
    same = norm.zero if isinstance(norm, BankNorm) else norm.bias
    wide = F.layer_norm(residual + update, shape, norm.weight, same, norm.eps)
    if isinstance(norm, BankNorm):
        assert runs is not None
        wide = add_by_run(wide, norm.bias, runs)
    return wide, wide.to(update.dtype)


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
        twice: bool,
    ) -> tuple[Tensor, Tensor | None]:
        wide = torch.empty_like(residual)
        narrow = torch.empty_like(update) if twice else None
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
            *(weight, bias, float(epsilon)),
            *(wide, narrow, normal, inverse),
        )
        ctx.save_for_backward(normal, inverse, weight)
        ctx.keep, ctx.dtype = keep, update.dtype
        ctx.set_materialize_grads(False)
        return wide, narrow

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        d_wide, d_narrow = (None if g is None else g.contiguous() for g in gradients)
        normal, inverse, weight = cast("tuple[Tensor, Tensor, Tensor]", ctx.saved_tensors)
        d_residual, d_update = torch.empty_like(normal), torch.empty_like(normal, dtype=ctx.dtype)
        library.call(
            "norm_backward",
            ctx.dtype,
            *normal.shape,
            *(d_wide, d_narrow, normal, inverse, weight),
            *_drawn(ctx.keep),
            *(d_residual, d_update),
        )
        d_weight = d_bias = None
        if ctx.needs_input_grad[3]:
            both = [g.float() for g in (d_wide, d_narrow) if g is not None]
            d_y = both[0] if len(both) == 1 else both[0] + both[1]
            d_weight, d_bias = (d_y * normal).sum(0), d_y.sum(0)
        return d_update, None, d_residual, d_weight, d_bias, None, None


def _frozen(norm: Norm) -> bool:
    """Whether it is torch's own, with a weight and a bias that no run trains."""
    if not isinstance(norm, nn.LayerNorm):
        return False
    pair = cast("tuple[Tensor | None, Tensor | None]", (norm.weight, norm.bias))
    return not any(p is None or p.requires_grad for p in pair)


def _drawn(keep: Keep | None) -> tuple[Tensor | None, int, float]:
    return (None, 0, 1.0) if keep is None else (keep.bits, keep.threshold, keep.scale)
