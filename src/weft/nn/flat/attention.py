"""Attention of each example's tokens among themselves, over flat rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from weft.nn.dropout import Keep
from weft.nn.flat import varlen
from weft.nn.flat.rows import Rows
from weft.nn.gpu import there
from weft.nn.native import library, tiles
from weft.text.tokens import Ints


@dataclass(frozen=True)
class Shape:
    """Of the heads of one layer."""

    heads: int
    factor: float  # of the scores

    def dim(self, q: Tensor | None, kv: Tensor) -> int:
        """How wide a head is."""
        return kv.shape[1] // (3 if q is None else 2) // self.heads


def attend(q: Tensor | None, kv: Tensor, rows: Rows, shape: Shape, keep: Keep | None) -> Tensor:
    """Softmax attention, with dropout of the probabilities.

    Args:
        q: (B, H), queries of each example's first token alone; None: every token asks.
        kv: (N, 2 H) keys and values side by side, or (N, 3 H) with the queries before them.
        keep: (sum of heads x length x length,) in the order example, head, query, key.

    Returns:
        (B, H), or (N, H) with zeros in the rows that no example has.
    """
    if keep is None and not torch.is_grad_enabled() and tiles.attends(kv, shape.dim(q, kv)):
        return _by_tiles(q, kv, rows, shape)
    if library.serves(kv):
        return cast("Any", _Attend).apply(q, kv, rows, shape, keep)
    if there.attends(kv, rows.longest, shape.dim(q, kv)):
        from weft.nn.gpu import attention

        return attention.attend(q, kv, rows, shape, keep)
    width = kv.shape[1] // (3 if q is None else 2)
    if keep is None and varlen.serves(kv, shape.heads, width):
        return varlen.attend(q, kv, rows, shape)
    return plain_attend(q, kv, rows, shape, keep)


def plain_attend(
    q: Tensor | None, kv: Tensor, rows: Rows, shape: Shape, keep: Keep | None
) -> Tensor:
    """`attend` in torch's own words: examples padded to the longest."""
    examples, padded = len(rows.lengths), rows.padded
    split = kv[padded.place].reshape(examples, rows.longest, 3 if q is None else 2, shape.heads, -1)
    parts = torch.permute(split, (2, 0, 3, 1, 4))  # each (B, heads, L, D)
    key, value = parts[-2], parts[-1]
    query = parts[0] if q is None else q.reshape(examples, shape.heads, 1, -1)
    scores = (query * shape.factor) @ key.transpose(2, 3)
    scores = scores.masked_fill(~padded.there[:, None, None], float("-inf"))
    probabilities = scores.softmax(-1)
    if keep is not None:
        drawn = keep.mask()[padded.draws(shape.heads)[:, :, : query.shape[2]]]
        probabilities = torch.where(drawn, probabilities * keep.scale, 0)
    context = (probabilities @ value).transpose(1, 2).flatten(2)  # (B, L or 1, H)
    if q is not None:
        return context[:, 0]
    return torch.where(padded.used, context.flatten(0, 1)[padded.source], 0)


def _by_tiles(q: Tensor | None, kv: Tensor, rows: Rows, shape: Shape) -> Tensor:
    query, key, value = chunks(q, kv)
    out = kv.new_empty(len(query), query.shape[1])
    tiles.attend(query, key, value, rows.begin, shape.heads, shape.factor, out, first=q is not None)
    if q is None:
        out[rows.tokens :].zero_()
    return out


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor | None, kv: Tensor, rows: Rows, shape: Shape, keep: Keep | None
    ) -> Tensor:
        hidden = kv.shape[1] // (3 if q is None else 2)
        out = kv.new_empty(len(kv) if q is None else len(q), hidden)
        areas = rows.squares if q is None else rows.begin
        kept = None
        if any(ctx.needs_input_grad):
            kept = kv.new_empty(shape.heads * int(areas[-1]), dtype=torch.float32)
        ctx.save_for_backward(q, kv, kept)
        ctx.rows, ctx.shape, ctx.keep, ctx.areas = rows, shape, keep, shape.heads * areas
        ctx.squares = shape.heads * rows.squares
        library.call("attend_forward", kv.dtype, _structure(ctx, q, kv), *chunks(q, kv), out, kept)
        if q is None:
            out[rows.tokens :].zero_()
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, kv, kept = cast("tuple[Tensor | None, Tensor, Tensor]", ctx.saved_tensors)
        d_q = None if q is None else torch.empty_like(q)
        d_kv = torch.empty_like(kv)
        d_kv[ctx.rows.tokens :].zero_()
        parts = (*chunks(q, kv), kept, gradients[0].contiguous(), *chunks(d_q, d_kv))
        library.call("attend_backward", kv.dtype, _structure(ctx, q, kv), *parts)
        return d_q, d_kv, None, None, None


def chunks(q: Tensor | None, kv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, views."""
    if q is None:
        query, key, value = kv.chunk(3, dim=1)
        return query, key, value
    key, value = kv.chunk(2, dim=1)
    return q, key, value


def _structure(ctx: Any, q: Tensor | None, kv: Tensor) -> library.Attention:
    areas = ctx.areas, ctx.squares
    return structure(ctx.rows, ctx.shape, ctx.keep, areas, kv.shape[1], first_only=q is not None)


def structure(
    rows: Rows,
    shape: Shape,
    keep: Keep | None,
    areas: tuple[Ints, Ints],
    width: int,
    *,
    first_only: bool,
) -> library.Attention:
    """As the kernels take it.

    Args:
        areas: where each example's kept probabilities begin, and its bits; (B + 1,) each.
        width: of keys and values, with the queries where every token asks.
    """
    hidden = width // (2 if first_only else 3)
    return library.Attention(
        *(len(rows.lengths), shape.heads, hidden // shape.heads, rows.longest),
        *(first_only, hidden if first_only else width, width),
        *map(library.address, (rows.begin, *areas)),
        None if keep is None else keep.bits.data_ptr(),
        *((0, 1.0) if keep is None else (keep.threshold, keep.scale)),
        shape.factor,
    )
