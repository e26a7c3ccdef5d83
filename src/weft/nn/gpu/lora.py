"""Low-rank updates of all runs, added to a frozen product in place; the plain twin is
`flat.product.plain_project`.

The gradients of A and B are added to the parameters' own `grad`, as a bank keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from weft.nn.gpu.there import drawn, kernel, power, wide

if TYPE_CHECKING:
    from weft.nn.flat.product import Frozen, Update
    from weft.nn.flat.rows import Runs

_ROWS, _MANY = 16, 64  # rows of one program, and of one step of a sum over a run's rows
_WIDE, _NARROW = 128, 64  # columns at a time


def project(x: Tensor, frozen: Frozen, updates: Sequence[Update], runs: Runs) -> Tensor:
    """As `flat.product.project`."""
    weights = [weight for update in updates for weight in (update.a, update.b)]
    return cast("Any", _Project).apply(x, frozen, updates, runs, *weights)


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frozen: Frozen, updates: list[Update], runs: Runs, *_: Tensor
    ) -> Tensor:
        x = x.contiguous()
        y = frozen.forward(x)
        lows: list[Tensor] = []
        for update in updates:
            low = x.new_empty(len(x), power(update.a.shape[1]))
            call = _Call(x, update, runs)
            kernel("lora_forward")[call.by_rows](
                *(x, call.bits, update.a, update.b, y[:, update.columns], low),
                *(*call.of_runs, call.rank, x.stride(0), y.stride(0), *call.numbers),
                ROWS=_ROWS, BLOCK=_WIDE, **call.fixed,
            )  # fmt: skip
            lows.append(low)
        ctx.save_for_backward(*([x, *lows] if updates else []))
        ctx.frozen, ctx.updates, ctx.runs = frozen, updates, runs
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_y = gradients[0].contiguous()
        below = bool(ctx.needs_input_grad[0])
        d_x = ctx.frozen.backward(d_y) if below else None
        updates = cast("list[Update]", ctx.updates)
        if updates:
            x, *lows = cast("list[Tensor]", ctx.saved_tensors)
            for update, low in zip(updates, lows, strict=True):
                assert update.a.grad is not None
                assert update.b.grad is not None
                call, d_low = _Call(x, update, ctx.runs), torch.empty_like(low)
                own = d_y[:, update.columns]
                target = x if d_x is None else d_x
                kernel("lora_backward_rows")[call.by_rows](
                    *(own, call.bits, update.a, update.b, target, d_low),
                    *(*call.of_runs, call.rank, d_y.stride(0), target.stride(0), *call.numbers),
                    BELOW=below, ROWS=_ROWS, BLOCK=_WIDE, **call.fixed,
                )  # fmt: skip
                kernel("lora_backward_weights")[call.by_columns](
                    *(x, call.bits, own, low, d_low, update.a.grad, update.b.grad),
                    *(*call.of_runs, call.rank, x.stride(0), d_y.stride(0), *call.numbers),
                    ROWS=_MANY, BLOCK=_NARROW, **call.fixed,
                )  # fmt: skip
        return (d_x, None, None, None, *(None for _ in range(2 * len(updates))))


class _Call:
    """What the kernels take of one update."""

    def __init__(self, x: Tensor, update: Update, runs: Runs) -> None:
        there = (update.runs or runs).there
        assert there is not None
        self.of_runs = there  # where each run's rows begin, and its slot
        _, rank, inner = update.a.shape
        outer, keep = update.b.shape[1], update.keep
        self.rank = rank
        self.bits, *drops = drawn(keep, x)
        self.numbers = (*drops, update.scaling)
        self.fixed = {
            "INNER": inner,
            "OUTER": outer,
            "DROPS": keep is not None,
            "WIDE": wide(x),
            "RANK": power(rank),
        }
        count = len(there[1])
        self.by_rows = (-(-len(x) // _ROWS), count)
        self.by_columns = (-(-max(inner, outer) // _NARROW), count, 2)
