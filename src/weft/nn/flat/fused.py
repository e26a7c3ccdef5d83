"""A whole layer as one step of autograd: what Python and torch cost between its kernels is saved.

`layers.py` composes the same kernels one by one, and is the plain twin.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

from weft.nn.dropout import Keep
from weft.nn.flat.attention import Shape, structure
from weft.nn.flat.norm import Norm
from weft.nn.flat.product import Projection, Update, lora
from weft.nn.flat.rows import Rows, Runs
from weft.nn.flat.trained import Product
from weft.nn.native import library

NAMES = ("query", "mixed", "out", "up", "down")


@dataclass(frozen=True)
class Drawn:
    """What dropout leaves in one layer."""

    products: Sequence[Sequence[Keep | None]]
    """Of each update's input, by product, in the order of `NAMES`."""
    attention: Keep | None
    middle: Keep | None
    end: Keep | None


class Fused:
    """One layer's pieces as the kernels take them.

    Args:
        products: in the order of `NAMES`; without a query of its own every token asks.
        lowest: nothing asks for the gradient of the input.
    """

    def __init__(
        self,
        products: Sequence[Projection | None],
        norms: tuple[nn.LayerNorm, nn.LayerNorm],
        shape: Shape,
        *,
        lowest: bool,
    ) -> None:
        self._products, self._norms = products, norms
        self._shape, self._lowest = shape, lowest

    @staticmethod
    def of(
        products: Sequence[Product | None],
        norms: tuple[Norm, Norm],
        activation: nn.Module,
        shape: Shape,
        *,
        lowest: bool,
    ) -> Fused | None:
        """None where a piece is not of the kind that the kernels compute."""
        known = [p for p in products if isinstance(p, Projection) and p.frozen.laid is not None]
        if len(known) < sum(p is not None for p in products):
            return None
        if not isinstance(activation, GELUActivation) or any(_trains(norm) for norm in norms):
            return None
        pair = cast("tuple[nn.LayerNorm, nn.LayerNorm]", norms)
        whole = cast("Sequence[Projection | None]", products)
        return Fused(whole, pair, shape, lowest=lowest)

    def __call__(
        self, wide: Tensor, narrow: Tensor, rows: Rows, drawn: Drawn
    ) -> tuple[Tensor, Tensor]:
        """(N, H) in the residual's format and in that of products -> the same, or (B, H)."""
        call = _Call(self, rows, drawn)
        return cast("Any", _Layer).apply(wide, narrow, call, *call.trained)

    def structure(self, call: _Call) -> library.Layer:
        """As the kernels take it; what it points to is kept by `call`."""
        rows, first_only = call.rows, self._products[0] is not None
        layer = library.Layer()
        layer.rows, layer.tokens = rows.filled, rows.tokens
        layer.last = len(rows.lengths) if first_only else rows.filled
        layer.lowest = self._lowest
        layer.first = rows.on("first").data_ptr() if first_only else None
        for name, product, updates in zip(NAMES, self._products, call.updates, strict=True):
            if product is not None:
                setattr(layer, name, call.product(product, updates, call.runs(name)))
        for name, norm, keep in zip(
            ("middle", "end"), self._norms, (call.drawn.middle, call.drawn.end), strict=True
        ):
            weights = norm.weight.data_ptr(), norm.bias.data_ptr()
            setattr(layer, name, library.Norm(*weights, norm.eps, _drop(keep)))
        mixed = cast("Projection", self._products[1])
        layer.attention = structure(
            rows,
            self._shape,
            call.drawn.attention,
            call.areas(self._shape.heads),
            mixed.frozen.out,
            first_only=first_only,
        )
        return layer

    def updates(self, call: _Call) -> list[list[Update]]:
        """By product."""
        return [
            [] if product is None else product.updates(call.runs(name), keeps)
            for name, product, keeps in zip(NAMES, self._products, call.drawn.products, strict=True)
        ]

    @property
    def first_only(self) -> bool:
        """Whether only each example's first token asks, and is computed further."""
        return self._products[0] is not None


class _Call:
    """One layer in one step, and all that its structure points to."""

    def __init__(self, fused: Fused, rows: Rows, drawn: Drawn) -> None:
        self.fused, self.rows, self.drawn = fused, rows, drawn
        self._held: list[Any] = []
        self.updates = fused.updates(self)
        self.trained = [w for own in self.updates for u in own for w in (u.a, u.b)]
        self.structure = fused.structure(self)

    def runs(self, name: str) -> Runs:
        """Whose the rows of a product are."""
        by_token = name == "mixed" or not self.fused.first_only
        return self.rows.by_token if by_token else self.rows.by_example

    def areas(self, heads: int) -> tuple[Any, Any]:
        """Where each example's kept probabilities begin, and its bits."""
        areas = self.rows.begin if self.fused.first_only else self.rows.squares
        pair = heads * areas, heads * self.rows.squares
        self._held.append(pair)
        return pair

    def product(
        self, product: Projection, updates: Sequence[Update], runs: Runs
    ) -> library.Product:
        """One product as the kernels take it."""
        frozen = product.frozen
        own = (library.Update * len(updates))()
        for place, update in zip(own, updates, strict=True):
            place.lora = lora(update, frozen.out, runs)
            place.column = update.column
            place.d_a = None if update.a.grad is None else update.a.grad.data_ptr()
            place.d_b = None if update.b.grad is None else update.b.grad.data_ptr()
        self._held.append(own)
        assert frozen.laid is not None
        ahead, back = frozen.laid
        return library.Product(
            *(ahead.data_ptr(), None if back is None else back.data_ptr()),
            *(frozen.bias.data_ptr(), frozen.inner, frozen.out, len(updates)),
            ctypes.cast(own, ctypes.POINTER(library.Update)),
        )


class _Layer(torch.autograd.Function):
    """The gradients of A and B are added to the parameters' own `grad`, as a bank keeps them."""

    @staticmethod
    def forward(
        ctx: Any, wide: Tensor, narrow: Tensor, call: _Call, *_: Tensor
    ) -> tuple[Tensor, Tensor]:
        layer = call.structure
        layer.backward = any(ctx.needs_input_grad)
        kept = narrow.new_empty(library.size("kept", layer) // 2)
        meanwhile = narrow.new_empty(library.size("meanwhile", layer) // 2)
        layer.kept, layer.meanwhile = kept.data_ptr(), meanwhile.data_ptr()
        shape = (layer.last, wide.shape[1])
        wide_out, narrow_out = wide.new_empty(shape), narrow.new_empty(shape)
        library.call_layer("forward", layer, wide, narrow, wide_out, narrow_out)
        if layer.backward:
            ctx.save_for_backward(narrow, kept)
            ctx.call = call
        ctx.set_materialize_grads(False)
        return wide_out, narrow_out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        narrow, kept = cast("tuple[Tensor, Tensor]", ctx.saved_tensors)
        layer = ctx.call.structure
        meanwhile = narrow.new_empty(library.size("meanwhile", layer) // 2)
        layer.kept, layer.meanwhile = kept.data_ptr(), meanwhile.data_ptr()
        d_wide = d_narrow = None
        if not layer.lowest:
            d_wide = torch.empty_like(narrow, dtype=torch.float32)
            d_narrow = torch.empty_like(narrow)
        d_out = [None if g is None else g.contiguous() for g in gradients]
        library.call_layer("backward", layer, narrow, *d_out, d_wide, d_narrow)
        return (d_wide, d_narrow, None, *(None for _ in ctx.call.trained))


def _trains(norm: Norm) -> bool:
    return not isinstance(norm, nn.LayerNorm) or norm.weight.requires_grad


def _drop(keep: Keep | None) -> library.Drop:
    if keep is None:
        return library.Drop(None, 0, 1.0)
    return library.Drop(keep.bits.data_ptr(), keep.threshold, keep.scale)
