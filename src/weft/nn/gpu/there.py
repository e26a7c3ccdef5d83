"""Where the kernels of this folder serve."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

import torch
from torch import Tensor

LONGEST = 128
"""Tokens of an example whose attention is one kernel: a head's probabilities stay in registers."""


@cache
def _triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def serves(x: Tensor) -> bool:
    """Whether they compute for activations such as these: on a GPU from Ampere on, with Triton,
    which comes with torch's CUDA builds on Linux."""
    return (
        x.device.type == "cuda"
        and x.dtype in (torch.bfloat16, torch.float32)
        and _triton()
        and torch.cuda.get_device_capability(x.device) >= (8, 0)
    )


def kernel(name: str) -> Any:
    """A kernel of `kernels.py`, which needs Triton to be read."""
    return getattr(importlib.import_module("weft.nn.gpu.kernels"), name)


def wide(x: Tensor) -> bool:
    """Whether products are to be of float32 numbers: where the numbers are, and in Triton's
    interpreter on a CPU, which multiplies no others."""
    return x.dtype == torch.float32 or x.device.type == "cpu"


def power(count: int, least: int = 16) -> int:
    """The power of two that holds `count`, as blocks want it."""
    return max(least, 1 << (count - 1).bit_length())
