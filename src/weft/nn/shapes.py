"""What a run trains: its tensors' names, which are PEFT's, their shapes, and how many they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

from torch import Tensor, nn

from weft.config import LoraSettings
from weft.errors import BackboneError, ConfigError, did_you_mean
from weft.nn.anatomy import bare, linear_layers, named_modules

Update = LoraSettings | Literal["head", "biases", "all"]
"""What a run trains beside its head: low-rank updates, nothing, the encoder's biases (BitFit: Ben
Zaken, Ravfogel and Goldberg, 2022), or every weight."""

_USUAL = ("query", "value", "q_lin", "v_lin", "q_proj", "v_proj", "q", "v", "Wqkv")
"""Query and value projections, as encoders that PEFT has no word for call them."""
PREFIX = "base_model.model."  # of every name that PEFT saves


def target_names(model: nn.Module, lora: LoraSettings, head: Sequence[str]) -> tuple[str, ...]:
    """The linear layers that get an update: those whose name ends as the settings say.

    Args:
        head: layers that are trained whole and get none.

    Raises:
        ConfigError: none does, or none is called as one of the names says that no encoder uses.
    """
    usual = usual_targets(model)
    layers = [name for name in linear_layers(model) if name not in head]
    found = named_as(lora.target_modules or usual, layers)
    for name in lora.target_modules or ():
        # an adapter for several encoders may name the usual layers of them all
        if name not in (*usual, *_USUAL):
            named_as([name], layers)
    return found


def usual_targets(model: nn.Module) -> tuple[str, ...]:
    """The layers that get an update where the settings name none, as PEFT has them."""
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    return tuple(KNOWN.get(cast("Any", model.config).model_type) or _USUAL)


def named_as(wanted: Sequence[str], layers: Sequence[str]) -> tuple[str, ...]:
    """Those of the layers whose dotted name ends in a wanted one.

    Raises:
        ConfigError: none does.
    """
    found = tuple(n for n in layers if any(n == w or n.endswith(f".{w}") for w in wanted))
    if not found:
        names = sorted({name.rpartition(".")[2] for name in layers})
        raise ConfigError(
            f"no linear layer of the encoder is called {' or '.join(wanted)}",
            remedy=f"choose target_modules among {', '.join(names)}"
            f"{did_you_mean(wanted[0], names) if len(wanted) == 1 else ''}",
        )
    return found


def hull(adapters: Sequence[LoraSettings], usual: Sequence[str]) -> LoraSettings:
    """The adapter in which all of these find room: the highest rank, every target.

    A run of lower rank, or without some target, has zeros in the rest: a zero row of A and column
    of B gets a gradient of zero and stays, so nothing else of the run changes.

    Args:
        usual: targets where the settings name none.
    """
    ranks = max(adapter.r for adapter in adapters)
    if len({adapter.target_modules for adapter in adapters}) == 1:
        return adapters[0].model_copy(update={"r": ranks})
    names = {name for adapter in adapters for name in adapter.target_modules or usual}
    return adapters[0].model_copy(update={"r": ranks, "target_modules": tuple(sorted(names))})


def biased_layers(model: nn.Module, head: Sequence[str]) -> dict[str, nn.Linear | nn.LayerNorm]:
    """The layers outside the head that have a bias, by dotted name.

    Raises:
        BackboneError: there is none, or a bias is in a layer of another kind.
    """
    layers = {n: m for n, m in named_modules(model) if isinstance(m, nn.Linear | nn.LayerNorm)}
    found = {
        name: layer
        for name, layer in layers.items()
        if name not in head and cast("Tensor | None", layer.bias) is not None
    }
    known = {*found, *head}
    biases = [name for name, _ in model.named_parameters() if name.endswith("bias")]
    odd = [name for name in biases if name.rpartition(".")[0] not in known]
    if odd or not found:
        raise BackboneError(
            f"BitFit cannot train {type(bare(model)).__name__}",
            found=f"a bias of another kind: {odd[0]}" if odd else "no bias in the encoder",
            remedy="leave bitfit out of the methods, or use BERT, RoBERTa, DistilBERT or ELECTRA",
        )
    return found


def count_parameters(
    model: nn.Module, head: tuple[str, ...], update: Update
) -> tuple[int, int, int]:
    """(trainable, distinct total, the total that PEFT prints) of a model, weights or none.

    PEFT counts the head's frozen original beside its trained copy; where all is trained there is
    no frozen original.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes_of(model, update, head).items()}
    if update == "all":
        total = sum(sizes.values())
        return total, total, total
    whole = {f"{PREFIX}{name}.{kind}" for name in head for kind in ("weight", "bias")}
    added = sum(size for name, size in sizes.items() if ".lora_" in name)
    total = sum(parameter.numel() for parameter in model.parameters()) + added
    copied = sum(size for name, size in sizes.items() if name in whole)
    return sum(sizes.values()), total, total + copied


def shapes_of(model: nn.Module, update: Update, head: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of one run's trained tensors, by PEFT's names for them.

    Raises:
        ConfigError: no layer bears a name that the adapter asks for.
        BackboneError: its biases cannot be trained.
    """
    if update == "all":
        return {f"{PREFIX}{name}": tuple(p.shape) for name, p in model.named_parameters()}
    shapes: dict[str, tuple[int, ...]] = {}
    if update == "biases":
        for name, module in biased_layers(model, head).items():
            shapes[f"{PREFIX}{name}.bias"] = tuple(module.bias.shape)
    elif update != "head":
        for name in target_names(model, update, head):
            layer = cast("nn.Linear", model.get_submodule(name))
            shapes[f"{PREFIX}{name}.lora_A.weight"] = (update.r, layer.in_features)
            shapes[f"{PREFIX}{name}.lora_B.weight"] = (layer.out_features, update.r)
    for name in head:
        layer = cast("nn.Linear", model.get_submodule(name))
        shapes[f"{PREFIX}{name}.weight"] = (layer.out_features, layer.in_features)
        if cast("Tensor | None", layer.bias) is not None:
            shapes[f"{PREFIX}{name}.bias"] = (layer.out_features,)
    return shapes
