"""What a run trains: its tensors' names, which are PEFT's, their shapes, and how many they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from weft.config import LoraSettings
from weft.errors import ConfigError
from weft.nn.anatomy import linear_layers

_USUAL = ("query", "value", "q_lin", "v_lin", "q_proj", "v_proj", "q", "v", "Wqkv")
"""Query and value projections, as encoders that PEFT has no word for call them."""
PREFIX = "base_model.model."  # of every name that PEFT saves


def target_names(model: nn.Module, lora: LoraSettings, head: Sequence[str]) -> tuple[str, ...]:
    """The linear layers that get an update: those whose name ends as the settings say.

    Args:
        head: layers that are trained whole and get none.

    Raises:
        ConfigError: none does.
    """
    wanted = lora.target_modules
    if wanted is None:
        from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

        kind = cast("Any", model.config).model_type
        wanted = tuple(KNOWN.get(kind) or _USUAL)
    linear = [name for name in linear_layers(model) if name not in head]
    found = tuple(n for n in linear if any(n == w or n.endswith(f".{w}") for w in wanted))
    if not found:
        names = sorted({name.rpartition(".")[2] for name in linear})
        raise ConfigError(
            f"no linear layer of the encoder is called {' or '.join(wanted)}",
            remedy=f"choose target_modules among {', '.join(names)}",
        )
    return found


def count_parameters(
    model: nn.Module, head: tuple[str, ...], lora: LoraSettings
) -> tuple[int, int, int]:
    """(trainable, distinct total, the total that PEFT prints) of a model, weights or none.

    PEFT counts the head's frozen original beside its trained copy.
    """
    sizes = {
        name: math.prod(shape)
        for name, shape in shapes_of(model, target_names(model, lora, head), head, lora.r).items()
    }
    update = sum(size for name, size in sizes.items() if ".lora_" in name)
    total = sum(parameter.numel() for parameter in model.parameters()) + update
    trainable = sum(sizes.values())
    return trainable, total, total + trainable - update


def shapes_of(
    model: nn.Module, targets: Sequence[str], head: Sequence[str], r: int
) -> dict[str, tuple[int, ...]]:
    """Shapes of one run's trained tensors, by PEFT's names for them."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name in targets:
        layer = cast("nn.Linear", model.get_submodule(name))
        shapes[f"{PREFIX}{name}.lora_A.weight"] = (r, layer.in_features)
        shapes[f"{PREFIX}{name}.lora_B.weight"] = (layer.out_features, r)
    for name in head:
        layer = cast("nn.Linear", model.get_submodule(name))
        shapes[f"{PREFIX}{name}.weight"] = (layer.out_features, layer.in_features)
        if cast("Tensor | None", layer.bias) is not None:
            shapes[f"{PREFIX}{name}.bias"] = (layer.out_features,)
    return shapes
