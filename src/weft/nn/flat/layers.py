"""An encoder's layers over flat rows: no padding, and no work that nobody reads.

Takes the place of the layers of encoders built like BERT or DistilBERT: attention, then two linear
layers, a LayerNorm behind each half. Transformers' own layers are the plain twin: with dropout
drawn alike, both compute the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

from weft.nn.dropout import BankDropout, Keep, Step
from weft.nn.flat.attention import Shape, attend
from weft.nn.flat.fused import Drawn, Fused
from weft.nn.flat.gelu import gelu
from weft.nn.flat.norm import Norm, add_norm
from weft.nn.flat.product import Projection
from weft.nn.flat.rows import Runs
from weft.nn.flat.trained import Product, product_of
from weft.nn.native import library


@dataclass(frozen=True)
class Parts:
    """One layer's pieces, as its authors named them or not."""

    query: nn.Module
    key: nn.Module
    value: nn.Module
    heads: int
    factor: float
    attention_dropout: BankDropout
    out: nn.Module
    out_dropout: BankDropout | None
    out_norm: Norm
    up: nn.Module
    activation: nn.Module
    down: nn.Module
    down_dropout: BankDropout | None
    down_norm: Norm


def parts_of(layer: nn.Module) -> Parts | None:
    """The pieces of a layer whose leaves are swapped; None where it is built otherwise."""
    try:
        return _known(layer)
    except AttributeError:  # of a version that is built otherwise
        return None


def _known(layer: Any) -> Parts | None:
    kind = type(layer).__name__
    if kind in ("BertLayer", "RobertaLayer", "ElectraLayer", "XLMRobertaLayer", "CamembertLayer"):
        attention, closing = layer.attention.self, layer.attention.output
        if layer.is_decoder or layer.add_cross_attention:
            return None
        return Parts(
            *(attention.query, attention.key, attention.value),
            *(attention.num_attention_heads, attention.scaling, attention.bank_dropout),
            *(closing.dense, closing.dropout, closing.LayerNorm),
            *(layer.intermediate.dense, layer.intermediate.intermediate_act_fn),
            *(layer.output.dense, layer.output.dropout, layer.output.LayerNorm),
        )
    if kind == "TransformerBlock" and hasattr(layer, "sa_layer_norm"):  # DistilBERT
        attention, inner = layer.attention, layer.ffn
        return Parts(
            *(attention.q_lin, attention.k_lin, attention.v_lin),
            *(attention.n_heads, attention.scaling, attention.bank_dropout),
            *(attention.out_lin, None, layer.sa_layer_norm),
            *(inner.lin1, inner.activation),
            *(inner.lin2, inner.dropout, layer.output_layer_norm),
        )
    return None


class FlatLayer:
    """One layer over the rows of all runs.

    Args:
        first_only: nothing but each example's first token is read of the result, so nothing else
            is computed of it: keys and values still come from all.
        lowest: what it is given has no gradient.
        backward: whether gradients will be asked for.
    """

    def __init__(
        self,
        parts: Parts,
        dtype: torch.dtype | None,
        step: Step,
        *,
        first_only: bool,
        lowest: bool,
        backward: bool,
    ) -> None:
        self._parts, self._step = parts, step
        self._shape = Shape(parts.heads, parts.factor)
        mixed = [parts.query, parts.key, parts.value]
        self._query: Product | None = None
        if first_only:
            self._query = product_of(mixed[:1], dtype, backward=backward and not lowest)
            mixed = mixed[1:]
        self._mixed = product_of(mixed, dtype, backward=backward and not lowest)
        self._out = product_of([parts.out], dtype, backward=backward)
        self._up = product_of([parts.up], dtype, backward=backward)
        self._down = product_of([parts.down], dtype, backward=backward)
        self._gelu = isinstance(parts.activation, GELUActivation)
        self._fused = Fused.of(
            [self._query, self._mixed, self._out, self._up, self._down],
            (parts.out_norm, parts.down_norm),
            parts.activation,
            self._shape,
            lowest=lowest,
        )

    def __call__(self, wide: Tensor, narrow: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H) in the residual's format and in that of products -> the same, or (B, H)."""
        rows, parts = self._step.rows, self._parts
        assert rows is not None
        if self._fused is not None and torch.is_grad_enabled() and library.serves(narrow):
            return self._fused(wide, narrow, rows, self._draw())
        runs, first = rows.by_token, None
        asked: Tensor | None = None
        if self._query is not None:
            runs, first = rows.by_example, rows.on("first")
            wide = wide.index_select(0, first)
            drawn = _rows(self._query.draw(), first)
            asked = self._query(narrow.index_select(0, first), runs, drawn)
        mixed = self._mixed(narrow, rows.by_token, self._mixed.draw())
        keep = parts.attention_dropout.keep_square(parts.heads)
        context = attend(asked, mixed, rows, self._shape, keep)
        update = self._out(context, runs, _rows(self._out.draw(), first))
        wide, narrow = self._close(update, parts.out_dropout, first, wide, parts.out_norm, runs)
        update = self._down(self._raised(narrow, first), runs, _rows(self._down.draw(), first))
        return self._close(update, parts.down_dropout, first, wide, parts.down_norm, runs)

    def _draw(self) -> Drawn:
        """What dropout leaves, drawn in the order in which `__call__` comes by it."""
        rows, parts = self._step.rows, self._parts
        assert rows is not None
        hidden = cast("Projection", self._out).frozen.out
        first = None if self._query is None else rows.on("first")
        query = [] if self._query is None else _rows(self._query.draw(), first)
        mixed = self._mixed.draw()
        attention = parts.attention_dropout.keep_square(parts.heads)
        out = _rows(self._out.draw(), first)
        middle = _rows([_keep(parts.out_dropout, hidden)], first)
        up, down = _rows(self._up.draw(), first), _rows(self._down.draw(), first)
        end = _rows([_keep(parts.down_dropout, hidden)], first)
        return Drawn([query, mixed, out, up, down], attention, middle[0], end[0])

    def _raised(self, x: Tensor, first: Tensor | None) -> Tensor:
        rows = self._step.rows
        assert rows is not None
        runs = rows.by_token if first is None else rows.by_example
        drawn = _rows(self._up.draw(), first)
        if self._gelu and not torch.is_grad_enabled() and not drawn:
            return self._up(x, runs, drawn, "gelu")
        x = self._up(x, runs, drawn)
        return gelu(x) if self._gelu else cast("Tensor", self._parts.activation(x))

    def _close(
        self,
        update: Tensor,
        dropout: BankDropout | None,
        first: Tensor | None,
        residual: Tensor,
        norm: Norm,
        runs: Runs,
    ) -> tuple[Tensor, Tensor]:
        keep = _keep(dropout, update.shape[1])
        return add_norm(update, _rows([keep], first)[0], residual, norm, runs)


def _keep(dropout: BankDropout | None, width: int) -> Keep | None:
    return None if dropout is None else dropout.keep(width)


def _rows(keeps: Sequence[Keep | None], first: Tensor | None) -> list[Keep | None]:
    if first is None:
        return list(keeps)
    return [None if keep is None else keep.rows(first) for keep in keeps]


class FlatLayers(nn.Module):
    """All layers, as one module that takes the first place of a model's list of them.

    Args:
        layers: transformers' own, their leaves swapped; kept for their dropouts and updates.
        first_only: nothing but each example's first token is read of the last layer.
        below: whether anything below the layers is trained, and asks them for a gradient.
    """

    def __init__(
        self, layers: Iterable[nn.Module], step: Step, *, first_only: bool, below: bool = False
    ) -> None:
        super().__init__()
        self.twins = nn.ModuleList(layers)
        self._step, self._first_only, self._below = step, first_only, below
        self._layers: list[FlatLayer] = []
        self._dtype: torch.dtype | None = None
        self.prepare(None)

    def give_back(self, layers: nn.ModuleList) -> None:
        """Puts transformers' own layers back into the list, as long as `prepare` got no dtype."""
        del layers[0]
        layers.extend(self.twins)

    def prepare(self, dtype: torch.dtype | None, *, backward: bool = True) -> None:
        """Lays out the frozen weights for products in `dtype`, for good; None: uses them as they
        are."""
        self._dtype, self._layers = dtype, []
        for twin in self.twins:
            parts = parts_of(twin)
            assert parts is not None
            place = len(self._layers)
            layer = FlatLayer(
                parts,
                dtype,
                self._step,
                first_only=self._first_only and place == len(self.twins) - 1,
                lowest=place == 0 and not self._below,
                backward=backward,
            )
            self._layers.append(layer)

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """(1, N, H) -> (1, N, H), or (B, 1, H) where first tokens alone are read."""
        wide = hidden[0]
        narrow = wide.to(self._dtype or wide.dtype)
        for layer in self._layers:
            wide, narrow = layer(wide, narrow)
        return wide[:, None] if self._first_only else wide[None]
