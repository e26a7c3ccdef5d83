"""The leaves that a bank puts in the place of a model's `nn.Linear`.

Each works on the rows of all runs at once. Rows of one run lie together, so a run's own
parameters meet a contiguous part of them; the products of different runs never mix.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.dropout import BankDropout, Step


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


class BankLora(nn.Module):
    """A frozen linear layer with one low-rank update a slot (Hu et al., 2021, arXiv:2106.09685).

    Args:
        base: the frozen layer, (in -> out).
        lora_a: (R, r, in), lora_b: (R, out, r), one pair a slot.
        scaling: alpha / r.
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
        self.scaling = scaling
        self._step = step

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
        updates = [
            F.linear(F.linear(rows, a[segment.slot]), b[segment.slot])
            for rows, segment in zip(
                torch.split(x, counts),
                strips.segments,
                strict=True,
            )
        ]
        update = updates[0] if len(updates) == 1 else torch.cat(updates)
        return torch.add(result, update, alpha=self.scaling)


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
