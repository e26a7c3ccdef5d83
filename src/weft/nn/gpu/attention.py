"""Attention of short examples, dropout and all, as one kernel each way; its plain twin is
`flat.attention.plain_attend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from weft.nn.dropout import Keep
from weft.nn.flat.attention import Shape, chunks
from weft.nn.gpu.there import drawn, kernel, power, wide

if TYPE_CHECKING:
    from weft.nn.flat.rows import Rows


def attend(q: Tensor | None, kv: Tensor, rows: Rows, shape: Shape, keep: Keep | None) -> Tensor:
    """As `flat.attention.attend`, of examples no longer than `there.LONGEST`."""
    return cast("Tensor", cast("Any", _Attend).apply(q, kv, rows, shape, keep))


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor | None, kv: Tensor, rows: Rows, shape: Shape, keep: Keep | None
    ) -> Tensor:
        width = kv.shape[1] // (3 if q is None else 2)
        out = kv.new_zeros(len(kv) if q is None else len(q), width)
        ctx.save_for_backward(q, kv)
        ctx.rows, ctx.shape, ctx.keep = rows, shape, keep
        _call("attend_forward", (q, kv), [out], ctx, out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, kv = cast("tuple[Tensor | None, Tensor]", ctx.saved_tensors)
        d_out = gradients[0].contiguous()
        d_q, d_kv = None if q is None else torch.empty_like(q), torch.zeros_like(kv)
        _call("attend_backward", (q, kv), [d_out, *chunks(d_q, d_kv)], ctx, d_out)
        return d_q, d_kv, None, None, None


def _call(
    name: str, given: tuple[Tensor | None, Tensor], more: list[Tensor], ctx: Any, like: Tensor
) -> None:
    q, kv = given
    rows, shape, keep = ctx.rows, ctx.shape, cast("Keep | None", ctx.keep)
    query, key, value = chunks(q, kv)
    dim, block = query.shape[1] // shape.heads, power(rows.longest)
    ends = rows.on("ends")
    bits, threshold, scale = drawn(keep, ends)
    kernel(name)[(len(rows.lengths), shape.heads)](
        *(query, key, value, *more, ends, rows.on("squares"), bits),
        *(query.stride(0), key.stride(0), like.stride(0)),
        *(shape.heads, shape.factor, threshold, scale),
        FIRST=q is not None, DROPS=keep is not None, WIDE=wide(kv),
        DIM=dim, BLOCK_D=power(dim), BLOCK_Q=16 if q is not None else block, BLOCK=block,
    )  # fmt: skip
