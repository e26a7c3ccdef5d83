"""The compiled kernels, where this installation has them; without them only speed is lost."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FOLDER = Path(__file__).parent
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


class Update(ctypes.Structure):
    """A low-rank update within a product; kernels.cpp has the same, and those below."""

    _fields_ = (
        ("lora", Lora),
        ("column", ctypes.c_int64),
        ("d_a", ctypes.c_void_p),
        ("d_b", ctypes.c_void_p),
    )


class Product(ctypes.Structure):
    """A product with frozen weights and its updates."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("ahead", "back", "bias")),
        *((name, ctypes.c_int64) for name in ("inner", "out", "count")),
        ("updates", ctypes.POINTER(Update)),
    )


class Drop(ctypes.Structure):
    """What is dropped: bits below the threshold; no bits: nothing."""

    _fields_ = (
        ("bits", ctypes.c_void_p),
        ("threshold", ctypes.c_uint32),
        ("scale", ctypes.c_float),
    )


class Norm(ctypes.Structure):
    """A frozen LayerNorm behind a dropout."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("gamma", "beta")),
        ("epsilon", ctypes.c_float),
        ("drop", Drop),
    )


class Layer(ctypes.Structure):
    """One layer in one step."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("rows", "tokens", "last", "backward", "lowest")),
        ("first", ctypes.c_void_p),
        *((name, Product) for name in ("query", "mixed", "out", "up", "down")),
        *((name, Norm) for name in ("middle", "end")),
        ("attention", Attention),
        *((name, ctypes.c_void_p) for name in ("kept", "meanwhile")),
    )


def opened(file: Path) -> ctypes.CDLL | str:
    """The library in a file, or why it cannot be used: it is called by its sources' conventions,
    so it must have been built from those that lie beside this module."""
    if not file.exists():
        return "not compiled"
    try:
        library = ctypes.CDLL(str(file))
    except OSError as error:
        return f"cannot be loaded: {error}"
    built = getattr(library, "weft_source", None)
    if built is None:
        return "not weft's"
    built.restype = ctypes.c_char_p
    if built().decode() != source_hash(_FOLDER):
        return "compiled from other sources"
    return library


def source_hash(folder: Path) -> str:
    """Of what the kernels are built from."""
    digest = hashlib.sha256()
    for name in (
        *("kernels.h", "amx.h", "layer.h", "kernels.cpp"),
        *("tiles.h", "tiles_attention.cpp"),
    ):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _library() -> ctypes.CDLL | str:
    return opened(_FOLDER / "kernels.so")


def instructions() -> str | None:
    """The instruction set that the kernels use on this machine; None where they are not used."""
    library = _library()
    return None if isinstance(library, str) else _INSTRUCTIONS[library.weft_instruction_set()]


def reason() -> str | None:
    """Why the kernels are not used; None where they are."""
    library = _library()
    return library if isinstance(library, str) else None


@cache
def tiles() -> bool:
    """Whether the kernels multiply on this processor's tile unit."""
    library: Any = _library()
    return not isinstance(library, str) and bool(library.weft_tiles())


def size(what: str, layer: Layer) -> int:
    """Bytes: `kept` by a layer for its backward pass, or taken by either pass `meanwhile`."""
    count = cast("Any", _library())[f"layer_{what}"]
    count.restype = ctypes.c_int64
    return int(count(ctypes.byref(layer)))


def serves(x: Tensor, *widths: int) -> bool:
    """Whether the kernels take activations such as these, and others of these widths."""
    return (
        x.device.type == "cpu"
        and x.dtype in _FORMATS
        and not any(width % _LANES for width in (x.shape[-1], *widths))
        and not isinstance(_library(), str)
    )


def call(kernel: str, dtype: torch.dtype, *arguments: Tensor | ctypes.Structure | float | None):
    """Calls a kernel for activations of `dtype`; rows must be contiguous, integers are int64.

    Raises:
        MemoryError: it found no room for what it needs meanwhile.
    """
    _run(f"{kernel}_{_FORMATS[dtype]}", arguments)


def call_layer(direction: str, layer: Layer, *arguments: Tensor | None) -> None:
    """Computes a layer `forward` or `backward`.

    Raises:
        MemoryError: it found no room for what it needs meanwhile.
    """
    _run(f"layer_{direction}", (layer, *arguments))


def draw(state: NDArray[np.uint64], target: NDArray[np.uint64]) -> bool:
    """Fills the target with what NumPy's SFC64 draws from a state, (4,), which moves on.

    Returns:
        False where there are no kernels, and nothing was done.
    """
    library: Any = _library()
    if isinstance(library, str):
        return False
    library.draw(
        ctypes.c_int64(len(target)),
        *(ctypes.c_void_p(array.ctypes.data) for array in (state, target)),
    )
    return True


def _run(kernel: str, arguments: Sequence[Tensor | ctypes.Structure | float | None]) -> None:
    library: Any = _library()
    if library[kernel](*map(_passed, arguments)):
        raise MemoryError(f"no memory left for {kernel}")


def _passed(argument: Tensor | ctypes.Structure | float | None) -> Any:
    if isinstance(argument, torch.Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return argument if argument is None else ctypes.c_int64(argument)


def address(array: NDArray[np.int64]) -> int:
    """Where the numbers lie, for a field of a structure; they must outlive the call."""
    return array.ctypes.data
