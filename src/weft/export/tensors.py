"""A run's tensors on their way into a file."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def portable(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32 on the CPU, each by itself, as any library can read them."""
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in state.items()}


def renamed(tensors: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    """The tensors with `new` in the place of the prefix `old`."""
    return {new + name.removeprefix(old): tensor for name, tensor in tensors.items()}
