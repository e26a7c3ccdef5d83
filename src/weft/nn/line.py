"""All that a slot trains as one line of numbers, so that one operation moves every slot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_EIGHT = 8  # numbers that every tensor begins at a multiple of: kernels ask for aligned memory


@dataclass(frozen=True)
class Line:
    """Weights and gradients of R slots, a row each; the trained tensors are views of them."""

    weights: Tensor  # (R, P)
    gradients: Tensor  # (R, P)
    shapes: tuple[tuple[int, ...], ...]  # of one slot's tensors, in order

    def views(self, rows: Tensor) -> list[Tensor]:
        """(R, P) -> for each trained tensor its part, (R, ...)."""
        views: list[Tensor] = []
        begin = 0
        for shape in self.shapes:
            size = math.prod(shape)
            views.append(rows[:, begin : begin + size].unflatten(1, shape or (1,)))
            begin += _room(size)
        return views


def in_line(
    shapes: Mapping[str, tuple[int, ...]], slots: int, dtype: torch.dtype, device: torch.device
) -> tuple[dict[str, nn.Parameter], Line]:
    """Trained tensors (R, ...) of zeros by name, their gradients with them, and their line."""
    width = sum(_room(math.prod(shape)) for shape in shapes.values())
    weights, gradients = torch.zeros(2, slots, width, dtype=dtype, device=device).unbind(0)
    line = Line(weights, gradients, tuple(shapes.values()))
    trained: dict[str, nn.Parameter] = {}
    pairs = zip(line.views(weights), line.views(gradients), strict=True)
    for name, (weight, gradient) in zip(shapes, pairs, strict=True):
        trained[name] = nn.Parameter(weight)
        trained[name].grad = gradient
    return trained, line


def _room(size: int) -> int:
    return -(-size // _EIGHT) * _EIGHT
