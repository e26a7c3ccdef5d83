"""The leaves that a bank puts in the place of a model's own layers.

Each works on the rows of all runs at once. Rows of one run lie together, so a run's own
parameters meet a contiguous part of them; the products of different runs never mix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.dropout import BankDropout, Level, Step


class FrozenLinear(nn.Module):
    """`nn.Linear` that never trains, its weight held in the number format of its products."""

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        bias = cast("Tensor | None", linear.bias)
        self.register_buffer("weight", linear.weight.detach().to(dtype).contiguous())
        self.register_buffer("bias", None if bias is None else bias.detach().to(dtype))
        self.weight: Tensor
        self.bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in) -> (..., out) in the weight's number format."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)


@dataclass(frozen=True)
class Own:
    """What is one slot's own of a layer's low-rank update, beside A and B."""

    scaling: float  # alpha / r
    level: Level  # of the dropout of its input


class BankLora(nn.Module):
    """A frozen linear layer with one low-rank update a slot (Hu et al., 2021, arXiv:2106.09685).

    Slots may differ in scaling and dropout (`adapt`), and have no update here at all.

    Args:
        base: the frozen layer, (in -> out).
        lora_a: (R, r, in), lora_b: (R, out, r), one pair a slot.
        scaling: alpha / r, of every slot that is not told otherwise.
        dropout: of the update's input; draws apart for every layer, as PEFT does.
    """

    def __init__(
        self,
        base: FrozenLinear,
        lora_a: nn.Parameter,
        lora_b: nn.Parameter,
        scaling: float,
        dropout: BankDropout,
        step: Step,
    ) -> None:
        super().__init__()
        self.base, self.dropout = base, dropout
        self.lora_a, self.lora_b = lora_a, lora_b
        self._step = step
        self.own: list[Own | None] = [Own(scaling, Level.of(dropout.p))] * len(lora_a)
        """By slot; None: this layer of it has no update."""

    def adapt(self, slot: int, scaling: float | None, p: float) -> None:
        """Gives a slot a scaling and a dropout of its own; None: no update, and nothing drawn."""
        level = self.dropout.set(slot, 0.0 if scaling is None else p)
        self.own[slot] = None if scaling is None else Own(scaling, level)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, S, in), the strips of each segment side by side, or in a pooler (B, in), one row
        an example -> the same with `out` in place of `in`."""
        strips = self._step.strips
        assert strips is not None
        by_strip = x.dim() == 3 and x.shape[:2] == strips.ids.shape
        counts = [s.strips if by_strip else s.examples for s in strips.segments]
        dtype = self.base.weight.dtype
        x = x.to(dtype)
        result = self.base(x)
        x = self.dropout(x)
        a, b = self.lora_a.to(dtype).unbind(0), self.lora_b.to(dtype).unbind(0)
        parts: list[Tensor] = []
        for rows, base, segment in zip(
            torch.split(x, counts), torch.split(result, counts), strips.segments, strict=True
        ):
            own = self.own[segment.slot]
            if own is not None:
                update = F.linear(F.linear(rows, a[segment.slot]), b[segment.slot])
                base = torch.add(base, update, alpha=own.scaling)
            parts.append(base)
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class BankLinear(nn.Module):
    """A trained linear layer with one weight a slot; rows are examples, products in float32.

    Args:
        weight: (R, out, in); bias: (R, out) or None.
    """

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter | None, step: Step) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias
        self._step = step

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, ..., in), the examples of each segment side by side -> (B, ..., out)."""
        strips = self._step.strips
        assert strips is not None
        weights = self.weight.unbind(0)
        biases = None if self.bias is None else self.bias.unbind(0)
        parts = [
            F.linear(rows, weights[s.slot], None if biases is None else biases[s.slot])
            for rows, s in zip(
                torch.split(x.to(self.weight.dtype), [s.examples for s in strips.segments]),
                strips.segments,
                strict=True,
            )
        ]
        return torch.cat(parts)


class BankBias(nn.Module):
    """A frozen linear layer with one trained bias a slot.

    Args:
        base: the frozen layer, without its bias.
        bias: (R, out).
    """

    def __init__(self, base: FrozenLinear, bias: nn.Parameter, step: Step) -> None:
        super().__init__()
        assert base.bias is None
        self.base, self.bias = base, bias
        self._step = step

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, S, in), or (B, ..., in) one row an example -> the same with `out`."""
        return self.base(x) + _own(self.bias, x, self._step).to(self.base.weight.dtype)


class BankNorm(nn.Module):
    """A LayerNorm with a frozen weight and one trained bias a slot.

    Args:
        norm: gives weight and epsilon.
        bias: (R, H).
    """

    def __init__(self, norm: nn.LayerNorm, bias: nn.Parameter, step: Step) -> None:
        super().__init__()
        self.eps, self.bias = float(norm.eps), bias
        self.normalized_shape = tuple(norm.normalized_shape)
        self.register_buffer("weight", norm.weight.detach())
        self.register_buffer("zero", torch.zeros_like(norm.weight))
        self.weight: Tensor
        self.zero: Tensor
        self._step = step

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, S, H), or (B, ..., H) one row an example -> the same."""
        y = F.layer_norm(x, self.normalized_shape, self.weight, self.zero, self.eps)
        return y + _own(self.bias, x, self._step)


def _own(values: Tensor, x: Tensor, step: Step) -> Tensor:
    """(R, F) -> for each row of x the values of its run, (N, S, F) or (B, ..., F)."""
    assert step.strips is not None
    assert step.layout is not None
    by_token = x.dim() == 3 and x.shape[:2] == step.strips.ids.shape
    own = F.embedding(step.layout.slots(by_token=by_token), values)
    return own if by_token else own.view(len(own), *(1 for _ in x.shape[2:]), own.shape[-1])


class WholeEmbedding(nn.Module):
    """An embedding that is trained whole; its gradient is added where it is kept.

    Torch would make a table of zeros at every step to hold the few rows that a batch touches.

    Args:
        weight: (entries, H), with its `grad`.
    """

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, index: Tensor) -> Tensor:
        """index: (...) -> (..., H)."""
        return cast("Tensor", cast("Any", _Look).apply(self.weight, index))


class _Look(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, index: Tensor) -> Tensor:
        ctx.weight = weight
        ctx.save_for_backward(index)
        return F.embedding(index, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        (index,) = cast("tuple[Tensor]", ctx.saved_tensors)
        ctx.weight.grad.index_add_(0, index.flatten(), gradients[0].flatten(0, -2))
        return None, None
