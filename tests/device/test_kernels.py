"""The kernels of a GPU against their plain twins: in Triton's interpreter where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("triton", reason="needs Triton, which is for Linux")

from weft.nn.dropout import Keep
from weft.nn.flat.attention import Shape, plain_attend
from weft.nn.flat.norm import plain_add_norm
from weft.nn.flat.product import Frozen, Update, plain_project
from weft.nn.flat.rows import Rows, Runs
from weft.nn.gpu import attention, bits, lora, norm, there
from weft.nn.leaves import FrozenLinear
from weft.text.packing import pack

from ..tiny import examples
from .stand_in import close, numbers

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TYPES = [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.slow)]
SLOTS = 5


def rows_of(slots: Sequence[int]) -> Rows:
    batches = [(slot, examples(2 + slot, seed=slot)) for slot in slots]
    return Rows(pack(batches, pad=0, form="flat"), DEVICE)


def runs_of(rows: Rows) -> Runs:
    runs = rows.by_token
    return Runs(runs.begin, runs.slot, (rows.on("tokens"), rows.on("slots")))


def drawn(seed: int, *shape: int) -> Keep:
    made = np.random.default_rng(seed).integers(0, 1 << 16, shape, dtype=np.uint16)
    return Keep(torch.from_numpy(made.view(np.int16)).to(DEVICE), 20000, 1.4)


def made(seed: int, *shape: int) -> Tensor:
    return numbers(seed, *shape).to(DEVICE)


def tolerance(dtype: torch.dtype) -> float:
    return 1e-5 if dtype == torch.float32 else 3e-2


@pytest.mark.parametrize("width", [1, 3, 40])
def test_bits_equal_the_twins(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """And a run's are the same beside others and alone."""
    monkeypatch.setattr(bits, "serves", lambda _: True)
    keys = torch.tensor([1, -(1 << 62) + 5, 77], device=DEVICE)
    begins = torch.tensor([0, 700, 700 + 5, 1500], device=DEVICE)
    got = bits.draw(keys, begins, width, 1510 * width, (123456789, 2))
    plain = bits.plain_draw(keys, begins, width, 1510 * width, (123456789, 2))
    assert torch.equal(got[: 1500 * width], plain[: 1500 * width])
    alone = bits.draw(keys[2:], begins[2:] - 705, width, 795 * width, (123456789, 2))
    assert torch.equal(alone, got[705 * width : 1500 * width])
    assert abs(float(got.float().mean())) < 5 * 65536 / (12 * len(got)) ** 0.5
    other = bits.draw(keys, begins, width, 1510 * width, (123456789, 3))
    assert (other != got).float().mean() > 0.99


def test_bits_are_those_of_philox() -> None:
    """The authors' known answer for a key and a counter of zeros."""
    words = bits._philox(torch.tensor([0]), (torch.tensor([0]), 0, 0))
    assert [int(word) for word in words] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("read", ["both", "wide", "narrow"])
def test_norm_equals_the_twin(dtype: torch.dtype, drops: bool, read: str) -> None:
    layer = nn.LayerNorm(40).to(DEVICE)
    with torch.no_grad():
        layer.weight.copy_(made(1, 40))
        layer.bias.copy_(made(2, 40))
    layer.requires_grad_(False)
    keep = drawn(3, 19, 40) if drops else None
    outcomes: list[list[Tensor]] = []
    for function in (norm.add_norm, plain_add_norm):
        update = made(4, 19, 40).to(dtype).requires_grad_()
        residual = made(5, 19, 40).requires_grad_()
        wide, narrow = function(update, keep, residual, layer)
        loss = 0.0
        if read != "narrow":
            loss = loss + (wide * made(6, 19, 40)).sum()
        if read != "wide":
            loss = loss + (narrow.float() * made(7, 19, 40)).sum()
        torch.as_tensor(loss).backward()
        assert update.grad is not None
        assert residual.grad is not None
        outcomes.append([wide, narrow, update.grad, residual.grad])
    for ours, plain in zip(*outcomes, strict=True):
        assert ours.dtype == plain.dtype
        close(ours, plain, tolerance(dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("first_only", [False, True])
def test_attention_equals_the_twin(dtype: torch.dtype, drops: bool, first_only: bool) -> None:
    """What lies in the rows of nobody is no number, and goes no further."""
    rows, shape = rows_of((0, 3)), Shape(4, 0.3)
    assert rows.filled > rows.tokens
    keep = drawn(8, 4 * int(rows.squares[-1])) if drops else None
    outcomes: list[list[Tensor]] = []
    for function in (attention.attend, plain_attend):
        kv = made(1, rows.filled, 64 if first_only else 96).to(dtype)
        if function is attention.attend:
            kv[rows.tokens :] = float("nan")
        kv.requires_grad_()
        q = made(2, len(rows.lengths), 32).to(dtype).requires_grad_() if first_only else None
        out = function(q, kv, rows, shape, keep)
        (out.float() * made(3, *out.shape)).sum().backward()
        outcomes.append([x for x in (out, kv.grad, None if q is None else q.grad) if x is not None])
    for ours, plain in zip(*outcomes, strict=True):
        close(ours, plain, tolerance(dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("slots", [(0, 1, 2, 3, 4), (3, 1), (2,)])
@pytest.mark.parametrize("rank", [3, 8])
def test_updates_equal_the_loop_over_runs(
    dtype: torch.dtype, alike: bool, slots: Sequence[int], rank: int
) -> None:
    """Results and all gradients; a slot without rows gets none, and rows of no run matter not."""
    rows = rows_of(slots)
    runs = runs_of(rows)
    linear = nn.Linear(40, 72).to(DEVICE)
    used, weight = slice(rows.tokens), made(6, rows.tokens, 72)
    outcomes: list[list[Tensor]] = []
    for function in (lora.project, plain_project):
        frozen = Frozen([FrozenLinear(linear, torch.float32)], dtype)
        x = made(4, rows.filled, 40).to(dtype)
        if function is lora.project:
            x[rows.tokens :] = float("nan")
        x.requires_grad_()
        updates = updates_of(rows, runs, rank, alike=alike)
        y = function(x, frozen, updates, runs)
        (y[used].float() * weight).sum().backward()
        trained = {id(w): w for update in updates for w in (update.a, update.b)}
        grads = [w.grad for w in trained.values() if w.grad is not None]
        assert x.grad is not None
        assert len(grads) == len(trained) > 0
        for gradient in grads:
            assert not any(gradient[k].any() for k in range(SLOTS) if k not in slots)
        outcomes.append([y[used], x.grad[used], *grads])
    for ours, plain in zip(*outcomes, strict=True):
        close(ours, plain, tolerance(dtype))


def updates_of(rows: Rows, runs: Runs, rank: int, *, alike: bool) -> list[Update]:
    """Of two layers; where runs are not alike, one has no update in the first."""
    found: list[Update] = []
    keep, count = drawn(3, rows.filled, 40), len(runs.slot)
    for column in (0, 48):
        a, b = nn.Parameter(made(1, SLOTS, rank, 40)), nn.Parameter(made(2, SLOTS, 24, rank))
        for weight in (a, b):
            weight.grad = torch.zeros_like(weight)
        if alike:
            found.append(Update(column, a, b, 1.5, keep, runs))
            continue
        if column:
            found.append(Update(column, a, b, 0.5, None, runs.part(0, 1)))
        if count > 1:
            found.append(Update(column, a, b, 1.5, keep, runs.part(1, count)))
    return found


def test_what_lies_below_the_lowest_layer_gets_no_gradient() -> None:
    rows = rows_of((0, 1))
    frozen = Frozen([FrozenLinear(nn.Linear(40, 72).to(DEVICE), torch.float32)], torch.float32)
    (update, _) = updates_of(rows, runs_of(rows), 8, alike=True)
    y = lora.project(made(4, rows.filled, 40), frozen, [update], runs_of(rows))
    y.sum().backward()
    assert update.a.grad is not None
    assert update.a.grad[0].any()


def test_serves_what_is_on_a_gpu_alone() -> None:
    assert there.serves(torch.empty(0, device=DEVICE)) == (DEVICE.type == "cuda")


def test_serves_what_a_multiprocessor_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(there, "serves", lambda _: True)
    wide, narrow = torch.empty(0), torch.empty(0, dtype=torch.bfloat16)
    assert there.attends(narrow, 128, 64)
    assert not there.attends(narrow, 129, 64)
    assert not there.attends(narrow, 128, 65)
    assert there.attends(wide, 32, 64)
    assert not there.attends(wide, 33, 64)
    assert there.updates(narrow, 8, 64)
    assert not there.updates(narrow, 8, 65)


def test_wants_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """With which Triton builds what starts a kernel."""
    assert there._triton.__wrapped__() == any(map(shutil.which, there._COMPILERS))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not there._triton.__wrapped__()
