"""The kernels on the processor's tile unit against torch's own words, in float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.flat.attention import Shape, attend, plain_attend
from weft.nn.flat.product import Frozen
from weft.nn.flat.rows import Rows
from weft.nn.leaves import FrozenLinear
from weft.nn.native import library, tiles
from weft.text.packing import pack
from weft.text.tokens import Tokens

unit = pytest.mark.skipif(
    not library.tiles(), reason="this processor has no AMX, or weft no kernels"
)
HALF = 2**-8  # what rounding to bfloat16 changes, of a number


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(5)
        yield


def rows_of(lengths: list[int]) -> Rows:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    blank = np.zeros(offsets[-1], dtype=np.int64)
    return Rows(pack([(0, Tokens(blank, blank, offsets))], pad=0, form="flat"))


def operands(rows: int, inner: int, outer: int) -> tuple[Tensor, Tensor, Tensor]:
    weight = (torch.randn(outer, inner) / inner**0.5).bfloat16()
    return torch.randn(rows, inner).bfloat16(), weight, torch.randn(outer)


@unit
@pytest.mark.parametrize("gelu", [False, True], ids=["plain", "gelu"])
@pytest.mark.parametrize("rows", [1, 16, 31, 33, 700])
@pytest.mark.parametrize(("inner", "outer"), [(32, 32), (384, 96), (3072, 64), (64, 1152)])
def test_product(rows: int, inner: int, outer: int, gelu: bool) -> None:
    x, weight, bias = operands(rows, inner, outer)
    ours = tiles.product(x, tiles.lay(weight), bias, gelu=gelu).float()
    theirs = F.linear(x.float(), weight.float(), bias)
    theirs = F.gelu(theirs) if gelu else theirs
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=HALF, atol=1e-4)


@unit
def test_gelu_over_all_its_range() -> None:
    x = torch.linspace(-40, 40, 32 * 999).reshape(999, 32).bfloat16()
    one = tiles.lay(torch.eye(32).bfloat16())
    ours = tiles.product(x, one, torch.zeros(32), gelu=True).float()
    torch.testing.assert_close(ours, F.gelu(x.float()), rtol=HALF, atol=2e-5)


@unit
def test_rows_do_not_depend_on_their_company_nor_on_threads() -> None:
    """Bit for bit: a text's probabilities are the same whatever is predicted with it."""
    x, weight, bias = operands(700, 384, 1152)
    laid = tiles.lay(weight)
    whole = tiles.product(x, laid, bias, gelu=True)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5, 40):
            torch.set_num_threads(threads)
            assert torch.equal(tiles.product(x, laid, bias, gelu=True), whole)
            assert torch.equal(tiles.product(x[37:41], laid, bias, gelu=True), whole[37:41])
    finally:
        torch.set_num_threads(before)


@unit
@pytest.mark.parametrize("first", [False, True], ids=["all", "first"])
@pytest.mark.parametrize("dim", [32, 64, 96])
@pytest.mark.parametrize("lengths", [[1], [13, 1, 16, 17, 31, 32, 33, 64], [300, 2]])
def test_attention(lengths: list[int], dim: int, first: bool) -> None:
    rows, heads = rows_of(lengths), 3
    shape = Shape(heads, dim**-0.5)
    kv = torch.randn(rows.filled, (2 if first else 3) * heads * dim).bfloat16()
    q = torch.randn(len(lengths), heads * dim).bfloat16() if first else None
    kv[: rows.tokens, :dim] *= 6  # scores far apart
    assert tiles.attends(kv, dim)
    ours = attend(q, kv, rows, shape, None).float()
    theirs = plain_attend(None if q is None else q.float(), kv.float(), rows, shape, None)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=2 * HALF, atol=2 * HALF)


@unit
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_broken_stays_visible(broken: float) -> None:
    rows, shape = rows_of([5, 40]), Shape(2, 0.2)
    kv = torch.randn(rows.filled, 192).bfloat16()
    for column in (0, 64, 128):  # of a query, a key, a value
        hurt = kv.clone()
        hurt[20, column] = broken
        out = attend(None, hurt, rows, shape, None)
        assert not out[5:45].isfinite().all()
        assert out[:5].isfinite().all()
    x, weight, bias = operands(40, 64, 64)
    x[3, 7] = broken
    for gelu in (False, True):
        out = tiles.product(x, tiles.lay(weight), bias, gelu=gelu)
        assert not out[3].isfinite().all()
        assert out[4:].isfinite().all()


@unit
def test_only_inference_and_fitting_sizes_go_there() -> None:
    def frozen(inner: int, dtype: torch.dtype, *, backward: bool) -> Frozen:
        return Frozen([FrozenLinear(nn.Linear(inner, 64), dtype)], dtype, backward=backward)

    assert frozen(64, torch.bfloat16, backward=False)._laid is not None
    assert frozen(64, torch.bfloat16, backward=True)._laid is None
    assert frozen(64, torch.float32, backward=False)._laid is None
    assert frozen(48, torch.bfloat16, backward=False)._laid is None
    layer = FrozenLinear(nn.Linear(64, 64), torch.bfloat16)
    x = torch.randn(9, 64).bfloat16()
    expected = F.gelu(F.linear(x.float(), layer.weight.float(), cast_bias(layer)))
    ours = Frozen([layer], torch.bfloat16, backward=False).forward(x, "gelu")
    torch.testing.assert_close(ours.float(), expected, rtol=HALF, atol=1e-3)


def cast_bias(layer: FrozenLinear) -> Tensor:
    assert layer.bias is not None
    return layer.bias.float()


@unit
def test_onednn_goes_on_after_us() -> None:
    """The unit's registers are a thread's own, and oneDNN keeps its own layout in them."""
    x, weight, bias = operands(200, 256, 256)
    laid = tiles.lay(weight)
    before = F.linear(x, weight)
    for _ in range(3):
        tiles.product(x, laid, bias, gelu=False)
        assert torch.equal(F.linear(x, weight), before)
