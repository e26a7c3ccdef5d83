"""Torch's attention for examples of any length, called as on a GPU, by a stand-in for Flash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.attention import varlen as torchs
from torch.nn.functional import scaled_dot_product_attention

from weft.nn.flat import varlen
from weft.nn.flat.attention import Shape, plain_attend
from weft.nn.flat.rows import Rows
from weft.text.packing import pack

from ..tiny import examples
from .stand_in import close, numbers


def rows_of(slots: Sequence[int], device: str = "cpu") -> Rows:
    batches = [(slot, examples(2 + slot, seed=slot)) for slot in slots]
    return Rows(pack(batches, pad=0, form="flat"), torch.device(device))


class _Careless(torch.autograd.Function):
    """Hands on; as the kernel does, leaves what is no number where nothing was to be computed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, used: int) -> Tensor:
        ctx.used = used
        out = torch.full_like(x, float("nan"))
        out[:used] = x[:used]
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        d_x = torch.full_like(gradients[0], float("nan"))
        d_x[: ctx.used] = gradients[0][: ctx.used]
        return d_x, None


def flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    q_ends: Tensor,
    k_ends: Tensor,
    longest_q: int,
    longest_k: int,
    *,
    scale: float,
) -> Tensor:
    """`varlen_attn` as its documentation tells, an example at a time."""
    assert q_ends.dtype == k_ends.dtype == torch.int32
    q_at, k_at = q_ends.tolist(), k_ends.tolist()
    assert longest_q == max(np.diff(q_at))
    assert longest_k == max(np.diff(k_at))
    careless: Any = _Careless.apply
    parts = [careless(x, n[-1]) for x, n in ((query, q_at), (key, k_at), (value, k_at))]
    out: list[Tensor] = []
    for i in range(len(q_at) - 1):
        q, k, v = (
            part[at[i] : at[i + 1]].transpose(0, 1)
            for part, at in zip(parts, (q_at, k_at, k_at), strict=True)
        )
        out.append(scaled_dot_product_attention(q, k, v, scale=scale).transpose(0, 1))
    rest = len(query) - q_at[-1]
    return torch.cat([*out, query.new_full((rest, *query.shape[1:]), float("nan"))])


@pytest.mark.parametrize("first_only", [False, True])
def test_varlen_attention_equals_the_padded_twin(
    monkeypatch: pytest.MonkeyPatch, first_only: bool
) -> None:
    """Whatever the kernel leaves in the rows that no example has."""
    monkeypatch.setattr(torchs, "varlen_attn", flash)
    rows, shape = rows_of((0, 3)), Shape(4, 0.3)
    assert rows.filled > rows.tokens
    outcomes: list[list[Tensor]] = []
    for function in (varlen.attend, lambda *given: plain_attend(*given, None)):
        kv = numbers(1, rows.filled, 64 if first_only else 96).requires_grad_()
        q = numbers(2, len(rows.lengths), 32).requires_grad_() if first_only else None
        out = function(q, kv, rows, shape)
        (out * numbers(3, *out.shape)).sum().backward()
        outcomes.append([x for x in (out, kv.grad, None if q is None else q.grad) if x is not None])
    for ours, plain in zip(*outcomes, strict=True):
        close(ours, plain, 1e-5)


@pytest.mark.parametrize("first_only", [False, True])
def test_torchs_own_varlen_takes_what_it_is_given(first_only: bool) -> None:
    """Arguments and shapes, forward and backward, without numbers."""
    rows, width = rows_of((0, 3), "meta"), 64 if first_only else 96
    kv = torch.empty(rows.filled, width, dtype=torch.bfloat16, device="meta", requires_grad=True)
    q = None
    if first_only:
        q = torch.empty(len(rows.lengths), 32, dtype=torch.bfloat16, device="meta")
    out = varlen.attend(q, kv, rows, Shape(4, 0.3))
    assert out.shape == ((rows.filled if q is None else len(q)), 32)
    out.float().sum().backward()
    assert kv.grad is not None
    assert kv.grad.shape == kv.shape
