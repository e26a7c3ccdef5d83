"""Random bits fixed by run, step, site and place: any of them can be drawn at any time.

The generator is Philox 4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2,
3"): its key is the run's at its step; it counts places, sites, and calls of one site. One call
gives eight numbers, which lie a block apart, so that a GPU's threads write side by side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from weft.nn.gpu.there import kernel, serves

_WORD = 0xFFFFFFFF
BLOCK = 256


def draw(keys: Tensor, begins: Tensor, width: int, length: int, place: tuple[int, int]) -> Tensor:
    """16 random bits for each number of every run.

    Args:
        keys: (S,) int64, of each run.
        begins: (S + 1,) where each run's rows begin.
        width: numbers in a row.
        length: of the result; behind the last run's numbers there may be anything.
        place: site, and which of its calls in the step.

    Returns:
        (length,) int16, runs in their order.
    """
    if not serves(keys.new_empty(0, dtype=torch.float32)):
        return plain_draw(keys, begins, width, length, place)

    out = torch.empty(length, dtype=torch.int16, device=keys.device)
    grid = (-(-length // (8 * BLOCK)), len(keys))
    kernel("draw")[grid](keys, begins, width, *place, out, BLOCK=BLOCK)
    return out


def plain_draw(
    keys: Tensor, begins: Tensor, width: int, length: int, place: tuple[int, int]
) -> Tensor:
    """`draw` in torch's own words."""
    at = torch.arange(length, device=keys.device)
    starts = begins.long() * width
    run = (torch.searchsorted(starts, at, right=True) - 1).clamp(max=len(keys) - 1)
    at = at - starts[run]
    group, lane = at // (8 * BLOCK) * BLOCK + at % BLOCK, at // BLOCK % 8
    words = _philox(keys[run], (group, *place))
    word = torch.stack(words).gather(0, (lane >> 1)[None])[0]
    return ((word >> (16 * (lane & 1))) & 0xFFFF).to(torch.int16)


def _philox(key: Tensor, counter: tuple[Tensor, int, int]) -> list[Tensor]:
    """Four words of 32 bits in int64s; sums and products wrap, and what matters is below."""
    a, zero = counter[0], torch.zeros_like(key)
    b, c, d = zero + counter[1], zero + counter[2], zero
    low, high = key & _WORD, (key >> 32) & _WORD
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, c = ((right >> 32) & _WORD) ^ b ^ low, ((left >> 32) & _WORD) ^ d ^ high
        b, d = right & _WORD, left & _WORD
        low, high = (low + 0x9E3779B9) & _WORD, (high + 0xBB67AE85) & _WORD
    return [a, b, c, d]
