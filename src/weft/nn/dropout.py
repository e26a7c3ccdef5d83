"""Dropout whose masks are fixed by (run, step, site, example, token), never by a place in a strip.

Every run draws from a stream of its own, begun anew at each of its steps. A site (one call of one
dropout layer) takes its share for the run's whole batch in canonical order; the layout then lays
the mask into the strips. So neither packing nor a neighbour can change what a run draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from weft.text.packing import Strips

_SAME_WIDTH = {
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}
_LEVELS = 1 << 16  # a mask is decided by 16 random bits: p is met to 1 / 131,072


class Stream:
    """The random bits of one run at one step."""

    def __init__(self, seed: int, step: int) -> None:
        self._bits = np.random.SFC64(np.random.SeedSequence([seed, step]))

    def keep(self, count: int, threshold: int) -> NDArray[np.bool_]:
        """`count` draws; True where kept, which a draw is in (65536 - threshold) of 65536 cases."""
        words = self._bits.random_raw(-(-count // 4))
        return words.view(np.uint16)[:count] >= threshold


@dataclass
class Step:
    """What the swapped leaves of one bank need to know about the step under way."""

    strips: Strips | None = None
    streams: Sequence[Stream] | None = None
    """One per segment; None: no dropout."""
    layout: Layout | None = None
    squares: int = 0
    """Masks drawn for attention so far."""


@dataclass
class Layout:
    """Index tensors of the step under way, made once and used by every layer."""

    strips: Strips
    source: Tensor = field(init=False)  # (N * S,) canonical index of the token at each place
    first: Tensor = field(init=False)  # (B,) place of each example's first token
    mask: Tensor = field(init=False)  # (N, 1, S, S) additive, 0 within an example, else -inf-like
    _square: Tensor | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        strips = self.strips
        self.source = torch.as_tensor(strips.source)
        self.first = torch.as_tensor(strips.place[np.cumsum(strips.lengths) - strips.lengths])
        example = torch.as_tensor(strips.example)
        same = example[:, :, None] == example[:, None, :]
        self.mask = torch.zeros(same.shape).masked_fill_(~same, -1e30)[:, None]

    def square(self, heads: int) -> Tensor:
        """(N, heads, S, S) index into a run's canonical (example, head, query, key) draws."""
        if self._square is None:
            strips = self.strips
            area = strips.lengths**2
            begin = np.cumsum(area) - area
            example = np.maximum(strips.example, 0)
            start = begin[example]  # (N, S) per token, heads not counted yet
            length = strips.lengths[example]
            row = heads * start + strips.positions * length
            index = (
                row[:, None, :, None]
                + (np.arange(heads)[:, None, None] * (length**2)[:, None, :, None])
                + strips.positions[:, None, None, :]
            )
            same = strips.example[:, :, None] == strips.example[:, None, :]
            self._square = torch.as_tensor(np.where(same[:, None], index, 0))
        return self._square


class _Masked(torch.autograd.Function):
    """x * mask * scale. The mask's bits are all ones or all zeros, and are laid over x's own:
    several times as fast as a product with booleans."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return _apply(x, mask, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return _apply(gradients[0].contiguous(), mask, ctx.scale), None, None


def _apply(x: Tensor, mask: Tensor, scale: float) -> Tensor:
    return (x.view(mask.dtype) & mask).view(x.dtype).mul_(scale)


def masked(x: Tensor, mask: Tensor, scale: float) -> Tensor:
    """x * mask * scale, with its gradient; mask comes from `BankDropout` and has x's shape."""
    return cast("Tensor", cast("Any", _Masked).apply(x.contiguous(), mask, scale))


class BankDropout(nn.Module):
    """Stands in for `nn.Dropout` on tokens (N, S, F), on examples (B, F), and on attention
    probabilities (N, heads, S, S)."""

    def __init__(self, p: float, step: Step) -> None:
        super().__init__()
        self.p = p
        self._step = step
        self._threshold = round(p * _LEVELS)
        self.scale = _LEVELS / (_LEVELS - self._threshold)

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, S, F) tokens of all strips, (B, ..., F) a row an example, or (N, heads, S, S)."""
        mask = self.square_mask(x.shape[1], x.dtype) if x.dim() == 4 else self.mask(x)
        return x if mask is None else masked(x, mask, self.scale)

    def mask(self, x: Tensor) -> Tensor | None:
        """The mask of x's shape, -1 where kept, else 0; None where nothing is dropped."""
        step = self._step
        if step.streams is None or self._threshold == 0:
            return None
        assert step.strips is not None
        assert step.layout is not None
        width = x.shape[-1]
        by_token = x.dim() == 3 and x.shape[:2] == step.strips.ids.shape
        rows = [s.tokens if by_token else s.examples for s in step.strips.segments]
        drawn = self._draw([count * width for count in rows]).view(-1, width)
        if by_token:
            drawn = drawn.index_select(0, step.layout.source)
        return _bits(drawn.view(x.shape), x.dtype)

    def square_mask(self, heads: int, dtype: torch.dtype) -> Tensor | None:
        """(N, heads, S, S) for attention probabilities of `dtype`; what lies across examples is
        arbitrary."""
        step = self._step
        if step.streams is None or self._threshold == 0:
            return None
        assert step.strips is not None
        assert step.layout is not None
        step.squares += 1
        area, begin = step.strips.lengths**2, 0
        counts: list[int] = []
        for segment in step.strips.segments:
            counts.append(heads * int(area[begin : begin + segment.examples].sum()))
            begin += segment.examples
        return _bits(self._draw(counts).take(step.layout.square(heads)), dtype)

    def _draw(self, counts: list[int]) -> Tensor:
        """Bits of every run in canonical order, (sum of counts,)."""
        assert self._step.streams is not None
        drawn = [
            stream.keep(count, self._threshold)
            for stream, count in zip(self._step.streams, counts, strict=True)
        ]
        return torch.as_tensor(drawn[0] if len(drawn) == 1 else np.concatenate(drawn))


def _bits(keep: Tensor, dtype: torch.dtype) -> Tensor:
    """True -> all bits one, False -> all bits zero, as wide as numbers of `dtype`."""
    return keep.to(_SAME_WIDTH[dtype]).neg_()
