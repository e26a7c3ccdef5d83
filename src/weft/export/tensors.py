"""A run's tensors on their way into a file."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from weft.errors import AdapterError


def portable(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32 on the CPU, each by itself, as any library can read them."""
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in state.items()}


def renamed(tensors: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    """The tensors with `new` in the place of the prefix `old`."""
    return {new + name.removeprefix(old): tensor for name, tensor in tensors.items()}


def refuse_odd(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuses tensors that no model can hold.

    Args:
        where: the file or folder that they were read from.

    Raises:
        AdapterError: one is of integers, or holds what is no finite number.
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            what = "numbers that are not finite" if tensor.is_floating_point() else tensor.dtype
            raise AdapterError(
                f"the weights in {where} are damaged",
                found=f"{name[:120]} holds {what}",
                remedy="save or train the model again",
            )
