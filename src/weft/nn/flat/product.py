"""Products with frozen weights, and the low-rank updates that runs add to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.dropout import Keep
from weft.nn.flat.rows import Runs
from weft.nn.gpu import there
from weft.nn.leaves import BankLora, FrozenLinear, Own
from weft.nn.native import library, tiles


class Frozen:
    """One or more frozen linear layers of the same input, as one product (in -> sum of outs).

    On a CPU the weights lie as the processor's tile unit wants them, where it has one, or as oneDNN
    does, once for each direction, so that no step lays them out anew. Elsewhere, and for other
    number formats, they are plain tensors.

    Args:
        layers: their weights are taken over, so that none is held twice.
        dtype: number format of the products; None: as the weights come, and left to the layers.
        backward: whether anything asks for the gradient of the input.
    """

    def __init__(
        self, layers: Sequence[FrozenLinear], dtype: torch.dtype | None, *, backward: bool = True
    ) -> None:
        weight = torch.cat([layer.weight for layer in layers])  # (out, in)
        biases = [
            weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
            for layer in layers
        ]
        self.bias = torch.cat(biases).to(dtype or weight.dtype)
        self.out, self.inner = weight.shape
        self.laid: tuple[Tensor, Tensor | None] | None = None
        """Ahead and back, for the tile unit."""
        self._packed: tuple[Tensor, Tensor | None] | None = None
        self._weight: Tensor | None = None
        if dtype is None:
            self._weight = weight
            return
        weight = weight.to(dtype)
        for layer in layers:
            layer.weight = layer.weight.new_empty(0)
        if tiles.serves(weight):
            turned = tiles.lay(weight.t()) if backward else None
            self.laid = tiles.lay(weight), turned
            self.bias = torch.cat(biases).float()
            self._zero = self.bias.new_zeros(self.inner)
        elif _packs(weight):
            reorder = cast("Any", torch.ops.mkldnn)._reorder_linear_weight
            turned = reorder(weight.t().contiguous(), None) if backward else None
            self._packed = reorder(weight, None), turned
        else:
            self._weight = weight

    def forward(self, x: Tensor, activation: str = "none") -> Tensor:
        """x: (N, in) -> (N, out); activation: `none`, or `gelu` for inference."""
        if self.laid is not None:
            return tiles.product(x, self.laid[0], self.bias, gelu=activation == "gelu")
        if self._packed is not None:
            return _product(x, self._packed[0], self.bias, activation)
        y = F.linear(x, cast("Tensor", self._weight), self.bias)
        return F.gelu(y) if activation == "gelu" else y

    def backward(self, d_y: Tensor) -> Tensor:
        """d_y: (N, out) -> the input's gradient (N, in)."""
        if self.laid is not None:
            return tiles.product(d_y, cast("Tensor", self.laid[1]), self._zero, gelu=False)
        if self._packed is not None:
            return _product(d_y, cast("Tensor", self._packed[1]), None, "none")
        return d_y @ cast("Tensor", self._weight)


def _packs(weight: Tensor) -> bool:
    """Whether oneDNN multiplies these on this machine by the operators that torch compiles to."""
    operators = cast("Any", torch.ops.mkldnn)
    return (
        weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()
        and all(
            hasattr(operators, name) for name in ("_linear_pointwise", "_reorder_linear_weight")
        )
        and (weight.dtype == torch.float32 or bool(operators._is_mkldnn_bf16_supported()))
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    multiply = cast("Any", torch.ops.mkldnn)._linear_pointwise
    return multiply(x, weight, bias, activation, [], "none" if activation == "gelu" else "")


@dataclass(frozen=True)
class Update:
    """One layer's low-rank updates of runs that share a scaling and a dropout."""

    column: int  # of the product, where the layer's outputs begin
    a: nn.Parameter  # (R, r, in)
    b: nn.Parameter  # (R, out, r)
    scaling: float
    keep: Keep | None
    runs: Runs | None = None
    """Which runs have it; None: all of the step."""

    @property
    def columns(self) -> slice:
        """The layer's outputs."""
        return slice(self.column, self.column + self.b.shape[1])


class Projection:
    """Linear layers of the same input, some with low-rank updates, as one product."""

    def __init__(
        self, layers: Sequence[nn.Module], dtype: torch.dtype | None, *, backward: bool = True
    ) -> None:
        self._updates: list[tuple[int, BankLora]] = []
        column = 0
        for layer in layers:
            if isinstance(layer, BankLora):
                self._updates.append((column, layer))
            column += len(_base(layer).weight)
        self.frozen = Frozen([_base(layer) for layer in layers], dtype, backward=backward)

    def draw(self) -> list[Keep | None]:
        """What dropout leaves of each update's input, in the order of the layers."""
        return [layer.dropout.keep(self.frozen.inner) for _, layer in self._updates]

    def updates(self, runs: Runs, keeps: Sequence[Keep | None]) -> list[Update]:
        """What these runs add; keeps as `draw` gives them."""
        return [
            update
            for (column, layer), keep in zip(self._updates, keeps, strict=True)
            for update in _updates(column, layer, keep, runs)
        ]

    def __call__(
        self, x: Tensor, runs: Runs, keeps: Sequence[Keep | None], activation: str = "none"
    ) -> Tensor:
        """x: (N, in) whose rows are the runs' -> (N, out)."""
        updates = self.updates(runs, keeps)
        if activation != "none" and (updates or torch.is_grad_enabled()):
            raise AssertionError("an activation is part of the product in inference alone")
        if not torch.is_grad_enabled() and not updates:
            return self.frozen.forward(x, activation)
        return project(x, self.frozen, updates, runs)


def _updates(column: int, layer: BankLora, keep: Keep | None, runs: Runs) -> Iterator[Update]:
    """A layer's updates: one for all runs where they agree, else one for neighbours that do."""
    owns: list[Own | None] = [layer.own[slot] for slot in cast("list[int]", runs.slot.tolist())]
    end = 0
    for own, group in groupby(owns):
        first, end = end, end + len(list(group))
        if own is None:
            continue
        part = runs.part(first, end)
        kept = None if keep is None else keep.at(own.level)
        yield Update(column, layer.lora_a, layer.lora_b, own.scaling, kept, part)


def _base(layer: nn.Module) -> FrozenLinear:
    return cast("FrozenLinear", layer.base if isinstance(layer, BankLora) else layer)


def project(x: Tensor, frozen: Frozen, updates: Sequence[Update], runs: Runs) -> Tensor:
    """The product with its updates: x (N, in) whose rows are the runs' -> (N, out)."""
    ranks = [update.a.shape[1] for update in updates]
    if there.updates(x, *ranks) and all(u.a.dtype == torch.float32 for u in updates):
        from weft.nn.gpu import lora as gpu

        return gpu.project(x, frozen, updates, runs)
    if not library.serves(x, *(update.b.shape[1] for update in updates)):
        return plain_project(x, frozen, updates, runs)
    weights = [weight for update in updates for weight in (update.a, update.b)]
    return cast("Any", _Project).apply(x, frozen, updates, runs, *weights)


def plain_project(x: Tensor, frozen: Frozen, updates: Sequence[Update], runs: Runs) -> Tensor:
    """`project` in torch's own words, run by run."""
    y = frozen_product(x, frozen)
    for update in updates:
        kept = x
        if update.keep is not None:
            kept = torch.where(update.keep.mask(), x * update.keep.scale, 0)
        own = update.runs or runs
        parts: list[Tensor] = []
        for slot, rows in own.parts():
            a, b = update.a[slot].to(x.dtype), update.b[slot].to(x.dtype)
            parts.append(F.linear(F.linear(kept[rows], a), b) * update.scaling)
        added = torch.cat(parts)
        right, above = y.shape[1] - update.columns.stop, int(own.begin[0])
        below = len(y) - above - len(added)
        y = y + F.pad(added, (update.column, right, above, below))
    return y


def frozen_product(x: Tensor, frozen: Frozen) -> Tensor:
    """The product alone, with the gradient of its input: x (N, in) -> (N, out)."""
    return cast("Tensor", cast("Any", _Product).apply(x, frozen))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, frozen: Frozen) -> Tensor:
        ctx.frozen = frozen
        return frozen.forward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.frozen.backward(gradients[0]), None


class _Project(torch.autograd.Function):
    """The gradients of A and B are added to the parameters' own `grad`, as a bank keeps them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frozen: Frozen, updates: list[Update], runs: Runs, *_: Tensor
    ) -> Tensor:
        y = frozen.forward(x)
        lows: list[Tensor] = []
        for update in updates:
            low = x.new_empty(len(x), -(-update.a.shape[1] // 8) * 8, dtype=torch.float32)
            target = y[:, update.columns]
            library.call("lora_forward", x.dtype, lora(update, y.shape[1], runs), x, target, low)
            lows.append(low)
        ctx.save_for_backward(*([x, *lows] if updates else []))
        ctx.frozen, ctx.updates, ctx.runs = frozen, updates, runs
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_y = gradients[0].contiguous()
        d_x = ctx.frozen.backward(d_y) if ctx.needs_input_grad[0] else None
        if ctx.updates:
            x, *lows = cast("list[Tensor]", ctx.saved_tensors)
            for update, low in zip(cast("list[Update]", ctx.updates), lows, strict=True):
                assert update.a.grad is not None
                assert update.b.grad is not None
                library.call(
                    "lora_backward",
                    x.dtype,
                    lora(update, d_y.shape[1], ctx.runs),
                    *(x, d_y[:, update.columns], low, d_x),
                    *(update.a.grad, update.b.grad),
                )
        return (d_x, None, None, None, *(None for _ in range(2 * len(ctx.updates))))


def lora(update: Update, stride: int, runs: Runs) -> library.Lora:
    """As the kernels take it; stride: columns of the product."""
    keep, runs = update.keep, update.runs or runs
    _, r, inner = update.a.shape
    return library.Lora(
        *(len(runs.slot), inner, update.b.shape[1], r, inner, stride),
        *(library.address(runs.begin), library.address(runs.slot)),
        *(update.a.data_ptr(), update.b.data_ptr()),
        None if keep is None else keep.bits.data_ptr(),
        *((0, 1.0) if keep is None else (keep.threshold, keep.scale)),
        update.scaling,
    )
