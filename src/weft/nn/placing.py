"""Arrays of the host put where the bank computes, without waiting for the device."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def away(device: torch.device | None) -> bool:
    """Whether the bank computes on a device that is no CPU."""
    return device is not None and device.type != "cpu"


def placed(array: NDArray[Any], device: torch.device | None) -> Tensor:
    """The array as a tensor on the device; on a CPU it shares the array's memory.

    What goes to a GPU is pinned first: from other memory a copy would hold up the host until the
    device had done all that was asked of it before. The pinned memory is used again only after
    the copy.
    """
    tensor = torch.as_tensor(array)
    if device is None or device.type == "cpu":
        return tensor
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
