"""Dropout whose masks are fixed by (run, step, site, example, token), never by a place in a strip.

Every run draws from a stream of its own, begun anew at each of its steps. A site (one call of one
dropout layer) takes its share for the run's whole batch in canonical order; the layout then lays
the mask into the strips. So neither packing nor a neighbour can change what a run draws.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from weft.nn.flat.rows import Rows
from weft.nn.gpu import bits as counted
from weft.nn.native import library
from weft.nn.placing import away, placed
from weft.text.packing import Strips

_SAME_WIDTH = {
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}
_LEVELS = 1 << 16  # a mask is decided by 16 random bits: p is met to 1 / 131,072


class Stream:
    """The random bits of one run at one step: on a CPU one after the other."""

    def __init__(self, seed: int, step: int) -> None:
        self._bits = np.random.SFC64(np.random.SeedSequence([seed, step]))
        self._state: NDArray[np.uint64] = self._bits.state["state"]["state"]

    def draw_into(self, target: Tensor) -> None:
        """Fills int16s, (count,), with 16 random bits each."""
        whole = len(target) // 4 * 4  # a word is four numbers; of the last, some may be left over
        numbers = target.numpy()
        if numbers.ctypes.data % 8 == 0:
            self._words(numbers[:whole].view(np.uint64))
        else:
            words = np.empty(whole // 4, dtype=np.uint64)
            self._words(words)
            numbers[:whole] = words.view(np.int16)
        if whole < len(target):
            word = np.empty(1, dtype=np.uint64)
            self._words(word)
            numbers[whole:] = word.view(np.int16)[: len(target) - whole]

    def _words(self, target: NDArray[np.uint64]) -> None:
        if not library.draw(self._state, target):
            target[:] = self._bits.random_raw(len(target))


class Key:
    """The random bits of one run at one step: on a device fixed by site and place (`gpu/bits.py`),
    so that no draw waits for another."""

    def __init__(self, seed: int, step: int) -> None:
        words = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
        self.key = int(words.view(np.int64)[0])


def stream_for(seed: int, step: int, device: torch.device) -> Stream | Key:
    """The bits of a run's step, as the device draws them."""
    return Key(seed, step) if away(device) else Stream(seed, step)


@dataclass(frozen=True)
class Level:
    """How much is dropped: which of 16 random bits keep, and what makes up for the others."""

    threshold: int  # kept where the bits are no less
    scale: float

    @classmethod
    def of(cls, p: float) -> Level:
        """Of a probability."""
        threshold = round(p * _LEVELS)
        return cls(threshold, _LEVELS / (_LEVELS - threshold))


@dataclass(frozen=True)
class Keep:
    """What one dropout leaves of an activation, before it is laid out as a mask."""

    bits: Tensor  # int16, 16 random bits an element, unsigned
    threshold: int  # kept where the bits are no less
    scale: float

    def mask(self) -> Tensor:
        """Bools of the shape of `bits`."""
        return (self.bits.int() & 0xFFFF) >= self.threshold

    def at(self, level: Level) -> Keep | None:
        """The same bits, decided at another level; None where that drops nothing."""
        if level.threshold == 0:
            return None
        return replace(self, threshold=level.threshold, scale=level.scale)

    def rows(self, index: Tensor) -> Keep:
        """The rows at `index`."""
        return Keep(self.bits.index_select(0, index), self.threshold, self.scale)


@dataclass
class Step:
    """What the swapped leaves of one bank need to know about the step under way."""

    strips: Strips | None = None
    streams: Sequence[Stream | Key] | None = None
    """One per segment; None: no dropout."""
    layout: Layout | None = None
    rows: Rows | None = None
    """Where the step is computed over flat rows; the layout serves what is around the layers."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    squares: int = 0
    """Masks drawn for attention so far."""
    calls: Counter[int] = field(default_factory=Counter["int"])
    """Of each site in the step under way, on a device."""


@dataclass
class Layout:
    """Index tensors of the step under way, made when first asked for."""

    strips: Strips
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _square: Tensor | None = field(default=None, init=False)

    @cached_property
    def source(self) -> Tensor:
        """Canonical index of the token at each place, (N * S,)."""
        return self._on(self.strips.source)

    @cached_property
    def first(self) -> Tensor:
        """Place of each example's first token, (B,)."""
        lengths = self.strips.lengths
        return self._on(self.strips.place[np.cumsum(lengths) - lengths])

    def _on(self, array: NDArray[Any]) -> Tensor:
        return placed(array, self.device)

    def laid(self, values: Tensor, here: Tensor) -> Tensor:
        """(T,) in canonical order -> (N, S), 0 where `here` (N, S) says that nothing lies."""
        return torch.where(here, values.index_select(0, self.source).view(here.shape), 0)

    def slots(self, *, by_token: bool) -> Tensor:
        """Whose each place is, (N, S), or each example, (B,): the slot of its run. Places that
        hold nothing count as the first run's."""
        segments = self.strips.segments
        slot = np.repeat([s.slot for s in segments], [s.examples for s in segments])  # (B,)
        return self._on(slot[np.maximum(self.strips.example, 0)] if by_token else slot)

    @property
    def mask(self) -> Tensor:
        """(N, 1, S, S) additive: 0 within an example, minus what nothing outweighs elsewhere."""
        example = self._on(self.strips.example)
        same = example[:, :, None] == example[:, None, :]
        return torch.zeros(same.shape, device=self.device).masked_fill_(~same, -1e30)[:, None]

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
            self._square = self._on(np.where(same[:, None], index, 0))
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
    probabilities (N, heads, S, S).

    Args:
        name: of the layer in its model; on a device it is what tells its bits from others'.
    """

    def __init__(self, p: float, step: Step, name: str = "") -> None:
        super().__init__()
        self.p = p
        self._step = step
        self._site = zlib.crc32(name.encode()) >> 1  # the same beside whatever other layers
        self._level = Level.of(p)
        self._own: dict[int, Level] = {}  # by slot, of those that drop more or less

    def set(self, slot: int, p: float) -> Level:
        """Gives a slot a probability of its own."""
        level = self._own[slot] = Level.of(p)
        return level

    @property
    def scale(self) -> float:
        """What makes up for what is dropped, in every slot that has no probability of its own."""
        return self._level.scale

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, S, F) tokens of all strips, (B, ..., F) a row an example, or (N, heads, S, S)."""
        mask = self.square_mask(x.shape[1], x.dtype) if x.dim() == 4 else self.mask(x)
        if mask is None:
            return x
        levels = self._levels
        if len(set(levels)) == 1:
            return masked(x, mask, levels[0].scale)
        step = self._step
        assert step.strips is not None
        by_strip = x.dim() == 3 and x.shape[:2] == step.strips.ids.shape
        rows = [s.strips if by_strip else s.examples for s in step.strips.segments]
        own = placed(np.repeat([level.scale for level in levels], rows), x.device).to(x.dtype)
        return masked(x, mask, 1.0) * own.view(-1, *(1 for _ in x.shape[1:]))

    def mask(self, x: Tensor) -> Tensor | None:
        """The mask of x's shape, -1 where kept, else 0; None where nothing is dropped."""
        step = self._step
        if self._drops_nothing:
            return None
        assert step.strips is not None
        assert step.layout is not None
        width = x.shape[-1]
        by_token = x.dim() == 3 and x.shape[:2] == step.strips.ids.shape
        if by_token and step.rows is not None:  # rows lie in canonical order as they are
            drawn = self._keep("tokens", width, step.rows.filled)
        else:
            drawn = self._keep("tokens" if by_token else "examples", width).view(-1, width)
            if by_token:
                drawn = drawn.index_select(0, step.layout.source)
        return _bits(drawn.view(x.shape), x.dtype)

    def square_mask(self, heads: int, dtype: torch.dtype) -> Tensor | None:
        """(N, heads, S, S) for attention probabilities of `dtype`; what lies across examples is
        arbitrary."""
        step = self._step
        if self._drops_nothing:
            return None
        assert step.strips is not None
        assert step.layout is not None
        step.squares += 1
        drawn = self._keep("areas", heads)
        return _bits(drawn.take(step.layout.square(heads)), dtype)

    def keep(self, width: int) -> Keep | None:
        """For flat rows (N, width): what is kept of them, None where nothing is dropped."""
        step = self._step
        if self._drops_nothing:
            return None
        assert step.rows is not None
        bits = self._draw("tokens", width, step.rows.filled)
        return Keep(bits.view(-1, width), self._level.threshold, self._level.scale)

    def keep_square(self, heads: int) -> Keep | None:
        """For attention probabilities in the order example, head, query, key."""
        step = self._step
        if self._drops_nothing:
            return None
        step.squares += 1
        bits = self._draw("areas", heads, None if step.rows is None else step.rows.room)
        return Keep(bits, self._level.threshold, self._level.scale)

    @property
    def _levels(self) -> list[Level]:
        """Of each run of the step."""
        assert self._step.strips is not None
        return [self._own.get(s.slot, self._level) for s in self._step.strips.segments]

    @property
    def _drops_nothing(self) -> bool:
        if self._step.streams is None:
            return True
        levels = self._levels if self._own else [self._level]
        return not any(level.threshold for level in levels)

    def _counts(self, of: Of, width: int) -> list[int]:
        """Numbers of each run."""
        strips, rows = self._step.strips, self._step.rows
        assert strips is not None
        if of == "areas":
            own = rows or Rows(strips)
            return (width * np.diff(own.of_runs(own.squares))).tolist()
        return [width * (s.tokens if of == "tokens" else s.examples) for s in strips.segments]

    def _keep(self, of: Of, width: int, rows: int | None = None) -> Tensor:
        """Which numbers are kept, as bools, shaped as `_draw` has it."""
        bits = self._draw(of, width, rows)
        thresholds = [level.threshold for level in self._levels]
        if len(set(thresholds)) == 1:
            threshold = thresholds[0]
        else:  # each run's own, and 0 for what is nobody's
            counts = self._counts(of, width)
            counts.append(len(bits) - sum(counts))
            threshold = np.repeat(np.array([*thresholds, 0]), counts)
        if bits.device.type == "cpu":  # NumPy compares unsigned numbers as they are
            return torch.as_tensor(bits.numpy().view(np.uint16) >= threshold)
        if isinstance(threshold, np.ndarray):
            return (bits.int() & 0xFFFF) >= placed(threshold, bits.device)
        return (bits.int() & 0xFFFF) >= threshold

    def _draw(self, of: Of, width: int, rows: int | None = None) -> Tensor:
        """Bits of every run in canonical order.

        Args:
            width: numbers in a row.
            rows: of the result, whose last may be nobody's; None: as many as the runs have.

        Returns:
            (rows x width,)
        """
        step, counts = self._step, self._counts(of, width)
        assert step.streams is not None
        total = sum(counts)
        length = total if rows is None else rows * width
        if away(step.device):
            step.calls[self._site] += 1
            place = self._site, step.calls[self._site]
            return counted.draw(*self._counted(of, counts, width), length, place)
        drawn = torch.empty(length, dtype=torch.int16)
        begin = 0
        for stream, count, level in zip(step.streams, counts, self._levels, strict=True):
            if level.threshold:  # alone, a run that drops nothing here draws nothing
                cast("Stream", stream).draw_into(drawn[begin : begin + count])
            else:
                drawn[begin : begin + count] = 0
            begin += count
        drawn[total:] = 0
        return drawn

    def _counted(self, of: Of, counts: list[int], width: int) -> tuple[Tensor, Tensor, int]:
        """The runs' keys, where their rows begin, and how wide a row is."""
        step = self._step
        if step.rows is not None:
            return step.rows.on("keys"), step.rows.on(of), width
        assert step.streams is not None
        keys = np.array([cast("Key", stream).key for stream in step.streams], dtype=np.int64)
        begins = np.concatenate([[0], np.cumsum(counts)])
        return placed(keys, step.device), placed(begins, step.device), 1


Of = Literal["tokens", "examples", "areas"]
"""What there is a row of numbers for: each token, each example, or each pair of an example's
tokens."""


def _bits(keep: Tensor, dtype: torch.dtype) -> Tensor:
    """True -> all bits one, False -> all bits zero, as wide as numbers of `dtype`."""
    return keep.to(_SAME_WIDTH[dtype]).neg_()
