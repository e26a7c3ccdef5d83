"""The compiled kernels, where this installation has them; without them only speed is lost."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FORMATS = {torch.bfloat16: "bf16", torch.float32: "float32"}
_LANES = 16  # rows are cut into vectors of so many numbers
_INSTRUCTIONS = {1: "plain", 3: "AVX2", 4: "AVX-512"}


class Lora(ctypes.Structure):
    """Which rows meet which slot's pair of matrices; kernels.cpp has the same."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("runs", "inner", "out", "r", "x_stride", "y_stride")),
        *((name, ctypes.c_void_p) for name in ("begin", "slot", "a", "b", "bits")),
        ("threshold", ctypes.c_uint32),
        ("scale", ctypes.c_float),
        ("factor", ctypes.c_float),
    )


class Attention(ctypes.Structure):
    """Which rows are an example's tokens; kernels.cpp has the same."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("examples", "heads", "dim", "longest")),
        *((name, ctypes.c_int64) for name in ("first_only", "q_stride", "kv_stride")),
        *((name, ctypes.c_void_p) for name in ("begin", "area", "square", "bits")),
        ("threshold", ctypes.c_uint32),
        ("scale", ctypes.c_float),
        ("factor", ctypes.c_float),
    )


def opened(file: Path) -> ctypes.CDLL | None:
    """The library in a file; None where it was not built, or was built for another machine."""
    try:
        return ctypes.CDLL(str(file))
    except OSError:
        return None


@cache
def _library() -> ctypes.CDLL | None:
    return opened(Path(__file__).with_name("kernels.so"))


def instructions() -> str | None:
    """The instruction set that the kernels use on this machine; None where there are none."""
    library = _library()
    return None if library is None else _INSTRUCTIONS[library.weft_instruction_set()]


def serves(x: Tensor) -> bool:
    """Whether the kernels take activations such as these."""
    return (
        x.device.type == "cpu"
        and x.dtype in _FORMATS
        and x.shape[-1] % _LANES == 0
        and _library() is not None
    )


def call(kernel: str, dtype: torch.dtype, *arguments: Tensor | ctypes.Structure | float | None):
    """Calls a kernel for activations of `dtype`; tensors must be contiguous, integers are int64."""
    library: Any = _library()
    library[f"{kernel}_{_FORMATS[dtype]}"](*map(_passed, arguments))


def _passed(argument: Tensor | ctypes.Structure | float | None) -> Any:
    if isinstance(argument, torch.Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return argument if argument is None else ctypes.c_int64(argument)


def address(array: Tensor | NDArray[np.int64] | None) -> int | None:
    """Where the numbers lie, for a field of a structure."""
    if array is None:
        return None
    return array.data_ptr() if isinstance(array, torch.Tensor) else array.ctypes.data
