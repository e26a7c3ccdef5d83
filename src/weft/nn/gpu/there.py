"""Where the kernels of this folder serve."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from weft.nn.dropout import Keep

LONGEST = 128
"""Tokens of an example whose attention may be one kernel: probabilities stay in registers."""
_AREA = {torch.bfloat16: 128 * 64, torch.float32: 32 * 64}
"""Tokens times a head's width that a multiprocessor holds, forward and back; float32 takes more,
and beyond this a minute to compile."""
_RANK = 64  # of updates whose parts a multiprocessor holds
_COMPILERS = ("cc", "gcc", "clang")


@cache
def _triton() -> bool:
    """Whether there is Triton, and the C compiler that it builds what starts kernels with."""
    names = (os.environ.get("CC", ""), *_COMPILERS)
    return importlib.util.find_spec("triton") is not None and any(map(shutil.which, names))


def serves(x: Tensor) -> bool:
    """Whether they compute for activations such as these: on a GPU from Ampere on, with Triton,
    which comes with torch's CUDA builds on Linux."""
    return (
        x.device.type == "cuda"
        and x.dtype in (torch.bfloat16, torch.float32)
        and _triton()
        and torch.cuda.get_device_capability(x.device) >= (8, 0)
    )


def attends(x: Tensor, longest: int, width: int) -> bool:
    """Whether attention of examples so long, by heads so wide, is one kernel."""
    small = longest <= LONGEST and power(longest) * power(width) <= _AREA.get(x.dtype, 0)
    return small and serves(x)


def updates(x: Tensor, *ranks: int) -> bool:
    """Whether low-rank updates of these ranks are."""
    return all(rank <= _RANK for rank in ranks) and serves(x)


def kernel(name: str) -> Any:
    """A kernel of `kernels.py`, which needs Triton to be read."""
    return getattr(importlib.import_module("weft.nn.gpu.kernels"), name)


def drawn(keep: Keep | None, like: Tensor) -> tuple[Tensor, int, float]:
    """What kernels are told of dropout: bits, threshold and scale; where nothing is dropped, any
    tensor of the device for bits that they do not read."""
    return (like, 0, 1.0) if keep is None else (keep.bits, keep.threshold, keep.scale)


def wide(x: Tensor) -> bool:
    """Whether products are to be of float32 numbers: where the numbers are, and in Triton's
    interpreter on a CPU, which multiplies no others."""
    return x.dtype == torch.float32 or x.device.type == "cpu"


def power(count: int, least: int = 16) -> int:
    """The power of two that holds `count`, as blocks want it."""
    return max(least, 1 << (count - 1).bit_length())
