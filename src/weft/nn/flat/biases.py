"""One row of numbers a run, added to all of the run's rows."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from weft.nn.flat.rows import Runs


def add_by_run(y: Tensor, values: Tensor, runs: Runs) -> Tensor:
    """Adds to each row of y, in place, the values of its run; rows of no run stay as they are.

    Args:
        y: (N, F), changed.
        values: (R, F), one row a slot, float32 or wider.
        runs: whose the rows are.
    """
    return cast("Tensor", cast("Any", _AddByRun).apply(y, values, runs))


class _AddByRun(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, values: Tensor, runs: Runs) -> Tensor:
        ctx.mark_dirty(y)
        ctx.runs, ctx.like = runs, values
        for slot, rows in runs.parts():
            y[rows] += values[slot].to(y.dtype)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        d_values = torch.zeros_like(ctx.like)
        for slot, rows in ctx.runs.parts():
            d_values[slot] = gradients[0][rows].sum(0, dtype=d_values.dtype)
        return gradients[0], d_values, None
