"""Packing: where the tokens of a step's examples lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from weft.text.tokens import Ints, Tokens

_STEP = 8  # strip widths are multiples of this
_NARROWEST = 48  # below this, strips are hard to fill
ROWS = 16
"""A flat step's rows are a multiple of this: every new number of rows costs set-up."""

Form = Literal["flat", "strips", "padded"]
"""How a step's examples lie.

- flat: all end to end in one line; attention minds where each begins.
- strips: end to end in strips of fixed width; attention is parted by a mask.
- padded: each in a strip of its own, in order, the strips as wide as the longest: for encoders
  that bear nothing else.
"""


@dataclass(frozen=True)
class Segment:
    """The part of a step that belongs to one run."""

    slot: int
    strips: int  # how many strips are its own; 0 in a flat step
    examples: int
    tokens: int


@dataclass(frozen=True)
class Strips:
    """One step's examples, packed: N strips of width S, the strips of one run side by side.

    The canonical order of tokens is run, example, token; `place` leads from it into the strips
    and `source` back. Dropout is drawn in canonical order, so packing cannot change it.
    """

    segments: tuple[Segment, ...]
    ids: Ints  # (N, S) vocabulary index, the padding index where nothing lies
    types: Ints  # (N, S) token type
    positions: Ints  # (N, S) position within the example
    example: Ints  # (N, S) index of the example within the step, -1 where nothing lies
    place: Ints  # (T,) flat place in (N * S) of each token in canonical order
    source: Ints  # (N * S,) canonical index of the token at each place, 0 where nothing lies
    lengths: Ints  # (B,) tokens of each example

    @property
    def fill(self) -> float:
        """Share of the strips' places that hold a token."""
        return len(self.place) / self.ids.size

    @property
    def owners(self) -> Ints:
        """Whose each place is: (N * S,) example of the step, B where nothing lies."""
        return np.where(self.example < 0, len(self.lengths), self.example).ravel()


def strip_width(lengths: Ints) -> int:
    """A width that holds the longest example and leaves room to fill up with others."""
    return int(_width(lengths.max()))


def _width(longest: Ints) -> Ints:
    return np.maximum(_NARROWEST, -(-longest // _STEP) * _STEP)


def pack(
    batches: Sequence[tuple[int, Tokens]],
    *,
    pad: int,
    width: int | None = None,
    form: Form = "strips",
    rows: int = ROWS,
) -> Strips:
    """Packs each run's batch into strips of its own, or all into one flat line.

    Args:
        batches: (slot, examples) of each run that takes part in the step.
        pad: vocabulary index that fills empty places.
        width: tokens per strip; None: `strip_width` of all lengths.
        form: how the examples lie; only strips heed `width`.
        rows: what the length of a flat line is a multiple of.
    """
    tokens = [batch for _, batch in batches]
    lengths = np.concatenate([batch.lengths for batch in tokens])
    longest, total = int(lengths.max()), int(lengths.sum())
    if form == "flat":
        width = -(-total // rows) * rows
    elif form == "padded":
        width = longest
    else:
        width = strip_width(lengths) if width is None else max(width, longest)
    offsets = np.cumsum(lengths) - lengths
    strip = np.empty(len(lengths), dtype=np.int64)  # of each example
    start = np.empty(len(lengths), dtype=np.int64)  # of each example, within its strip
    segments: list[Segment] = []
    strips = examples = 0
    for slot, batch in batches:
        own = slice(examples, examples + len(batch))
        if form == "flat":
            count, strip[own], start[own] = 0, 0, offsets[own]
        else:
            place_in = _line_up if form == "padded" else _fit
            count, strip[own], start[own] = place_in(batch.lengths, width)
            strip[own] += strips
        segments.append(Segment(slot, count, len(batch), int(batch.offsets[-1])))
        strips += count
        examples += len(batch)
    strips = max(strips, 1)

    position = np.arange(total) - np.repeat(offsets, lengths)
    place = np.repeat(strip * width + start, lengths) + position

    def laid(values: Ints, empty: int) -> Ints:
        flat = np.full(strips * width, empty, dtype=np.int64)
        flat[place] = values
        return flat

    return Strips(
        segments=tuple(segments),
        ids=laid(np.concatenate([batch.ids for batch in tokens]), pad).reshape(strips, width),
        types=laid(np.concatenate([batch.types for batch in tokens]), 0).reshape(strips, width),
        positions=laid(position, 0).reshape(strips, width),
        example=laid(np.repeat(np.arange(len(lengths)), lengths), -1).reshape(strips, width),
        place=place,
        source=laid(np.arange(total), 0),
        lengths=lengths,
    )


def _fit(lengths: Ints, width: int) -> tuple[int, Ints, Ints]:
    """Best fit, longest first: number of strips, and each example's strip and start."""
    strip = np.empty(len(lengths), dtype=np.int64)
    start = np.empty(len(lengths), dtype=np.int64)
    room: list[int] = []
    for example in np.argsort(-lengths, kind="stable"):
        length = int(lengths[example])
        best = min(
            (k for k in range(len(room)) if room[k] >= length), key=room.__getitem__, default=-1
        )
        if best < 0:
            room.append(width)
            best = len(room) - 1
        strip[example], start[example] = best, width - room[best]
        room[best] -= length
    return len(room), strip, start


def _line_up(lengths: Ints, _width: int) -> tuple[int, Ints, Ints]:
    """One strip an example, in order."""
    return len(lengths), np.arange(len(lengths)), np.zeros(len(lengths), dtype=np.int64)


def pack_for_inference(
    tokens: Tokens, *, pad: int, strips: int = 48, form: Form = "strips", rows: int = ROWS
) -> list[tuple[Ints, Strips]]:
    """All examples sorted by length and packed into steps of about `strips` strips' size.

    Returns (index, strips) per step: `index` (B',) says which examples the step holds. The
    strips stand under slot 0.
    """
    order = np.argsort(tokens.lengths, kind="stable")
    lengths = tokens.lengths[order]
    ends = np.cumsum(lengths)
    # lengths ascend, so the last example taken sets the width
    room = strips * _width(lengths)
    steps: list[tuple[Ints, Strips]] = []
    begin = 0
    while begin < len(order):
        before = ends[begin] - lengths[begin]
        over = ends[begin + 1 :] - before > room[begin + 1 :]
        end = begin + 1 + (int(over.argmax()) if over.any() else len(over))
        index = order[begin:end]
        steps.append((index, pack([(0, tokens.take(index))], pad=pad, form=form, rows=rows)))
        begin = end
    return steps
