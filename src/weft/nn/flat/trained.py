"""Linear layers over flat rows whose weights are trained, or whose biases are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.dropout import Keep
from weft.nn.flat.biases import add_by_run
from weft.nn.flat.product import Frozen, Projection, project
from weft.nn.flat.rows import Runs
from weft.nn.leaves import BankBias, FrozenLinear


class Product(Protocol):
    """One or more linear layers of the same input, as one product."""

    def draw(self) -> list[Keep | None]:
        """What dropout leaves of the input of each low-rank update, in the order of the layers."""
        ...

    def __call__(
        self, x: Tensor, runs: Runs, keeps: Sequence[Keep | None], activation: str = "none"
    ) -> Tensor:
        """x: (N, in) whose rows are the runs' -> (N, sum of outs); activation `gelu` in inference
        alone."""
        ...


def product_of(
    layers: Sequence[nn.Module], dtype: torch.dtype | None, *, backward: bool
) -> Product:
    """The product that the leaves of these layers ask for.

    Args:
        dtype: number format of frozen products; None: as the weights come.
        backward: whether anything asks for the gradient of the input.
    """
    if all(isinstance(layer, nn.Linear) for layer in layers):
        return Whole(cast("Sequence[nn.Linear]", layers))
    if any(isinstance(layer, BankBias) for layer in layers):
        return Biased(cast("Sequence[BankBias | FrozenLinear]", layers), dtype, backward=backward)
    return Projection(layers, dtype, backward=backward)


class Whole:
    """Linear layers of one run, trained whole; products in the number format of their input."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self._layers = layers

    def draw(self) -> list[Keep | None]:
        """Nothing is added to these products, so nothing is dropped before it."""
        return []

    def __call__(
        self, x: Tensor, runs: Runs, keeps: Sequence[Keep | None], activation: str = "none"
    ) -> Tensor:
        """x: (N, in) -> (N, out)."""
        del runs, keeps
        weight = _together([layer.weight.to(x.dtype) for layer in self._layers])
        biases = [cast("Tensor | None", layer.bias) for layer in self._layers]
        if all(bias is None for bias in biases):
            bias = None
        else:
            pairs = zip(biases, self._layers, strict=True)
            zero = [x.new_zeros(len(y.weight)) if b is None else b.to(x.dtype) for b, y in pairs]
            bias = _together(zero)
        y = F.linear(x, weight, bias)
        return F.gelu(y) if activation == "gelu" else y


class Biased:
    """Frozen linear layers with one trained bias a slot."""

    def __init__(
        self,
        layers: Sequence[BankBias | FrozenLinear],
        dtype: torch.dtype | None,
        *,
        backward: bool,
    ) -> None:
        bases = [layer.base if isinstance(layer, BankBias) else layer for layer in layers]
        self._widths = [len(base.weight) for base in bases]
        self._biases = [layer.bias if isinstance(layer, BankBias) else None for layer in layers]
        self._slots = max(len(bias) for bias in self._biases if bias is not None)
        self._frozen = Frozen(bases, dtype, backward=backward)

    def draw(self) -> list[Keep | None]:
        """Nothing is dropped before a bias."""
        return []

    def __call__(
        self, x: Tensor, runs: Runs, keeps: Sequence[Keep | None], activation: str = "none"
    ) -> Tensor:
        """x: (N, in) whose rows are the runs' -> (N, out)."""
        del keeps
        biases = [
            x.new_zeros(self._slots, width) if bias is None else bias
            for bias, width in zip(self._biases, self._widths, strict=True)
        ]
        values = biases[0] if len(biases) == 1 else torch.cat(biases, dim=1)
        y = add_by_run(project(x, self._frozen, [], runs), values, runs)
        return F.gelu(y) if activation == "gelu" else y


def _together(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
