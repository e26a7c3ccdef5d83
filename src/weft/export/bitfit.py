"""Biases and head of a BitFit run: a file of what was trained and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
    save_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
)
from torch import Tensor

from weft.errors import AdapterError
from weft.export.tensors import portable, refuse_odd, renamed
from weft.nn.bank import Bank
from weft.nn.shapes import PREFIX

WEIGHTS = "bitfit.safetensors"


def save_biases(folder: Path, bank: Bank, state: Mapping[str, Tensor]) -> None:
    """Writes one run's biases, head and tokenizer into `folder`, which must exist.

    Args:
        bank: gives the tokenizer; its slots are not read.
        state: the run's tensors, as `Bank.state` has them; saved under transformers' names.
    """
    tensors = renamed(portable(state), PREFIX, "")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    cast("Any", bank.backbone.tokenizer).save_pretrained(str(folder))


def read_biases(folder: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a folder by the names of `Bank.state`, and the head's modules.

    Raises:
        AdapterError: the file is missing or damaged.
    """
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise AdapterError(
            f"the biases in {folder} are damaged", found=str(error), remedy="train them again"
        ) from error
    refuse_odd(tensors, str(folder / WEIGHTS))
    head = tuple(name.removesuffix(".weight") for name in tensors if name.endswith(".weight"))
    return renamed(tensors, "", PREFIX), head


def restore_biases(bank: Bank, state: Mapping[str, Tensor], where: str) -> None:
    """Puts saved biases into the first slot.

    Raises:
        AdapterError: they are not those of this backbone.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in bank.state(0).items()}
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted != given:
        odd = sorted(set(wanted.items()) ^ set(given.items()))
        raise AdapterError(
            f"{where} does not fit the backbone {bank.backbone.source.name}",
            found="; ".join(f"{name} {shape}" for name, shape in odd[:3]),
            remedy="give the backbone that it was trained on with --backbone",
        )
    bank.load_state(0, state)
