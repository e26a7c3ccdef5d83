"""Weights on disk, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import (
    save_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
)
from torch import Tensor


def save_checkpoint(path: Path, state: Mapping[str, Tensor]) -> None:
    """Writes a run's tensors under a temporary name, then puts them in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
    save_file(tensors, temporary, metadata={"format": "pt"})
    temporary.replace(path)
