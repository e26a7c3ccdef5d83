"""The kernels of the flat layers against their plain twins, and the twins against differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from weft.nn.dropout import Keep, Step
from weft.nn.flat.attention import Shape, attend, plain_attend
from weft.nn.flat.gelu import gelu
from weft.nn.flat.norm import add_norm, plain_add_norm
from weft.nn.flat.product import Frozen, Update, plain_project, project
from weft.nn.flat.rows import Rows
from weft.nn.leaves import BankNorm, FrozenLinear
from weft.nn.native import library
from weft.text.packing import pack

from ..tiny import Checkpoint, bank, examples

kernels = pytest.mark.skipif(
    library.instructions() is None,
    reason="the kernels are not built here: `make env` builds them where there is a compiler",
)
formats = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
NEAR = {torch.float32: 2e-6, torch.bfloat16: 2e-2, torch.float64: 1e-12}


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        yield


def rows_of(*counts: int, high: int = 20) -> Rows:
    """The rows of a step of runs with so many examples each, the slots in falling order."""
    batches = [(9 - k, examples(n, seed=k, high=high)) for k, n in enumerate(counts)]
    return Rows(pack(batches, pad=0, form="flat"))


def keep_of(p: float, *shape: int) -> Keep | None:
    if p == 0:
        return None
    bits = np.random.default_rng(3).integers(0, 1 << 16, shape, dtype=np.uint16)
    threshold = round(p * 65536)
    return Keep(torch.from_numpy(bits.view(np.int16)), threshold, 65536 / (65536 - threshold))


def agree(ours: Tensor, plain: Tensor, dtype: torch.dtype) -> None:
    """To the rounding of `dtype`, of the largest number."""
    assert ours.shape == plain.shape
    error = float((ours.detach().double() - plain.detach().double()).abs().max())
    assert error <= NEAR[dtype] * max(1.0, float(plain.detach().abs().max())), error


def both(
    function: Callable[..., tuple[Tensor, ...]],
    twin: Callable[..., tuple[Tensor, ...]],
    inputs: list[Tensor],
    dtype: torch.dtype,
) -> None:
    """Results and gradients of a kernel and its twin."""
    outcomes: list[list[Tensor]] = []
    for one in (function, twin):
        leaves = [x.clone().requires_grad_() for x in inputs]
        results = one(*leaves)
        weights = [torch.linspace(-1, 1, r.numel(), dtype=r.dtype).view(r.shape) for r in results]
        torch.autograd.backward(results, weights)
        grads = [leaf.grad for leaf in leaves]
        outcomes.append([*results, *(g for g in grads if g is not None)])
    assert len(outcomes[0]) == len(outcomes[1]) > len(inputs)
    for ours, plain in zip(*outcomes, strict=True):
        agree(ours, plain, dtype)


def norm_of(width: int, dtype: torch.dtype = torch.float32) -> nn.LayerNorm:
    norm = nn.LayerNorm(width, eps=1e-7, dtype=dtype).requires_grad_(False)
    norm.weight.normal_()
    norm.bias.normal_()
    return norm


@kernels
@formats
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("width", [16, 48, 384])
def test_add_norm(dtype: torch.dtype, p: float, width: int) -> None:
    norm, keep = norm_of(width), keep_of(p, 37, width)
    update, residual = torch.randn(37, width).to(dtype), torch.randn(37, width)
    both(
        lambda u, r: add_norm(u, keep, r, norm),
        lambda u, r: plain_add_norm(u, keep, r, norm),
        [update, residual],
        dtype,
    )


@kernels
@formats
def test_add_norm_with_weights_that_train(dtype: torch.dtype) -> None:
    """One weight and bias for all rows, and one bias a slot; rows of no run move nothing."""
    rows, width = rows_of(5, 2), 48
    update, residual = torch.randn(rows.filled, width).to(dtype), torch.randn(rows.filled, width)
    keep = keep_of(0.3, rows.filled, width)
    found: list[list[Tensor]] = []
    for function in (add_norm, plain_add_norm):
        whole = norm_of(width).requires_grad_()
        own = nn.Parameter(torch.linspace(-1, 1, 10 * width).view(10, width))
        by_run = BankNorm(norm_of(width), own, Step())
        torch.nn.init.ones_(whole.weight)
        by_run.weight.fill_(0.5)
        torch.nn.init.zeros_(whole.bias)
        for norm in (whole, by_run):
            wide, narrow = function(update, keep, residual, norm, rows.by_token)
            used = slice(rows.tokens)
            (wide[used].square().sum() + narrow[used].float().sin().sum()).backward()
        assert own.grad is not None
        assert own.grad[[9, 8]].any(dim=1).all()
        assert not own.grad[:8].any()
        found.append([g for g in (whole.weight.grad, whole.bias.grad, own.grad) if g is not None])
    assert len(found[0]) == 3
    for ours, plain in zip(*found, strict=True):
        agree(ours, plain, dtype)


@kernels
@formats
def test_gelu(dtype: torch.dtype) -> None:
    x = torch.cat([torch.linspace(-12, 12, 4096), torch.tensor([0.0, -0.0, 60.0, -60.0] * 4)])
    both(lambda x: (gelu(x),), lambda x: (nn.functional.gelu(x),), [x.to(dtype)], dtype)
    assert gelu(torch.full((16,), float("nan"), dtype=dtype)).isnan().all()


@kernels
@formats
@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize(("heads", "dim"), [(4, 8), (2, 32), (3, 64), (2, 24)])
@pytest.mark.parametrize("first_only", [False, True])
def test_attend(dtype: torch.dtype, p: float, heads: int, dim: int, first_only: bool) -> None:
    rows, hidden = rows_of(7, 2, high=40), heads * dim
    shape, keep = Shape(heads, dim**-0.5), keep_of(p, heads * int(rows.squares[-1]))
    kv = torch.randn(rows.filled, (2 if first_only else 3) * hidden).to(dtype)
    inputs = [kv, *([torch.randn(9, hidden).to(dtype)] if first_only else [])]
    both(
        lambda kv, q=None: (attend(q, kv, rows, shape, keep),),
        lambda kv, q=None: (plain_attend(q, kv, rows, shape, keep),),
        inputs,
        dtype,
    )


def updates_of(
    r: int, inner: int, outs: list[int], rows: Rows, p: float, dtype: torch.dtype
) -> list[Update]:
    """Updates of the first and the last of layers whose outputs lie side by side."""
    made: list[Update] = []
    for column, out in ((0, outs[0]), (sum(outs[:-1]), outs[-1])):
        a, b = (nn.Parameter(torch.randn(10, *s, dtype=dtype)) for s in ((r, inner), (out, r)))
        a.grad, b.grad = torch.zeros_like(a), torch.zeros_like(b)
        made.append(Update(column, a, b, 1.5, keep_of(p, rows.filled, inner)))
    return made


@kernels
@formats
@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize(("r", "last"), [(1, 48), (4, 48), (8, 48), (11, 48), (8, 24)])
def test_project(dtype: torch.dtype, p: float, r: int, last: int) -> None:
    """Gradients of A and B reach the slots of the runs that take part, and no others; a width of
    24 is none that the kernels take."""
    rows, outs = rows_of(7, 1, 12), [32, 16, last]
    layers = [FrozenLinear(nn.Linear(64, out), torch.float32) for out in outs]
    frozen = Frozen(layers, dtype)
    x = torch.randn(rows.filled, 64).to(dtype)
    updates = updates_of(r, 64, outs, rows, p, torch.float32)
    gradients: list[list[Tensor]] = []

    def ours(x: Tensor) -> tuple[Tensor]:
        return (project(x, frozen, updates, rows.by_token),)

    def plain(x: Tensor) -> tuple[Tensor]:
        gradients.append([w.grad.clone() for u in updates for w in (u.a, u.b)])
        for u in updates:
            u.a.grad.zero_()
            u.b.grad.zero_()
        return (plain_project(x, frozen, updates, rows.by_token),)

    both(ours, plain, [x], dtype)
    for kernel, update in zip(zip(*[iter(gradients[0])] * 2, strict=True), updates, strict=True):
        for got, twin in zip(kernel, (update.a.grad, update.b.grad), strict=True):
            agree(got, twin, dtype)
            assert got[[9, 8, 7]].any(dim=(1, 2)).all()
            assert not got[:7].any()


def test_twins_in_float64() -> None:
    """Against differences: each plain twin, dropout and all."""
    rows, double = rows_of(2, 1, high=4), torch.float64
    width, heads = 8, 2
    norm = norm_of(width, double)
    keep = keep_of(0.3, rows.filled, width)
    inputs = [torch.randn(rows.filled, width, dtype=double, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda u, r: plain_add_norm(u, keep, r, norm)[0], inputs)

    square = keep_of(0.3, heads * int(rows.squares[-1]))
    mixed = torch.randn(rows.filled, 3 * width, dtype=double, requires_grad=True)
    shape = Shape(heads, 0.5)
    assert torch.autograd.gradcheck(lambda m: plain_attend(None, m, rows, shape, square), mixed)
    first = torch.randn(3, width, dtype=double, requires_grad=True)
    pair = torch.randn(rows.filled, 2 * width, dtype=double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda q, kv: plain_attend(q, kv, rows, shape, square), (first, pair)
    )

    frozen = Frozen([FrozenLinear(nn.Linear(width, 6), double)], double)
    updates = updates_of(2, width, [6], rows, 0.3, double)[:1]
    x = torch.randn(rows.filled, width, dtype=double, requires_grad=True)
    trained = [w.detach().requires_grad_() for w in (updates[0].a, updates[0].b)]

    def projected(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        update = Update(0, a, b, 1.5, updates[0].keep)  # type: ignore[arg-type]
        return plain_project(x, frozen, [update], rows.by_token)

    assert torch.autograd.gradcheck(projected, (x, *trained))


def test_frozen_products_go_both_ways() -> None:
    """In each number format, laid out for oneDNN or not."""
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        layers = [FrozenLinear(nn.Linear(48, out), torch.float32) for out in (16, 32)]
        weight = torch.cat([layer.weight for layer in layers]).to(dtype).double()
        bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])
        frozen = Frozen(layers, dtype)
        x, d_y = torch.randn(33, 48).to(dtype), torch.randn(33, 48).to(dtype)
        agree(frozen.forward(x), x.double() @ weight.T + bias.to(dtype).double(), dtype)
        agree(frozen.backward(d_y), d_y.double() @ weight, dtype)
        agree(
            frozen.forward(x, "gelu"),
            nn.functional.gelu(x.double() @ weight.T + bias.to(dtype).double()),
            dtype,
        )
        assert not any(layer.weight.numel() for layer in layers)  # taken over, not held twice


def test_without_the_kernels_all_goes_on(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A library that is not there, or is none, is no error."""
    file = tmp_path / "kernels.so"
    assert library.opened(file) == "not compiled"
    file.write_text("no library")
    assert "cannot be loaded" in str(library.opened(file))
    assert bank(checkpoint("bert"), 1).form == "flat"


@kernels
@formats
def test_threads_change_nothing(dtype: torch.dtype) -> None:
    """Bit for bit, at sizes for which several threads are woken."""
    rows, width, heads = rows_of(40, 9, 40, high=30), 64, 2
    assert rows.tokens * width > 1 << 15
    norm, keep = norm_of(width), keep_of(0.2, rows.filled, width)
    square = keep_of(0.2, heads * int(rows.squares[-1]))
    frozen = Frozen(
        [FrozenLinear(nn.Linear(width, out), torch.float32) for out in (64, 128)], dtype
    )
    updates = updates_of(8, width, [64, 128], rows, 0.2, torch.float32)
    wide = torch.randn(rows.filled, width)
    outcomes: list[list[Tensor]] = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            for update in updates:
                for weight in (update.a, update.b):
                    assert weight.grad is not None
                    weight.grad.zero_()
            x = wide.to(dtype).requires_grad_()
            mixed = project(x, frozen, updates, rows.by_token)
            context = attend(None, gelu(mixed), rows, Shape(heads, 0.2), square)
            out, narrow = add_norm(context, keep, wide, norm)
            (out.sum() + narrow.float().square().sum()).backward()
            grads = [w.grad.clone() for u in updates for w in (u.a, u.b) if w.grad is not None]
            assert x.grad is not None
            outcomes.append([mixed.detach(), out.detach(), x.grad, *grads])
    finally:
        torch.set_num_threads(before)
    for other in outcomes[1:]:
        for ours, same in zip(other, outcomes[0], strict=True):
            assert torch.equal(ours, same)
