"""What weft must know of an encoder built by transformers: its layers, its head, its positions."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable
from typing import Any, cast

from torch import nn

from weft.errors import BackboneError
from weft.nn.mean import MeanClassifier


def named_modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """All modules with their dotted names, in torch's order, which has no types for them."""
    return list(cast("Iterable[tuple[str, nn.Module]]", cast("Any", model).named_modules()))


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """All linear layers by dotted name, in torch's order."""
    return {name: m for name, m in named_modules(model) if isinstance(m, nn.Linear)}


def bare(model: nn.Module) -> nn.Module:
    """The model as transformers made it: without our mean classifier around it."""
    return model.base if isinstance(model, MeanClassifier) else model


def head_modules(model: nn.Module, fresh: Collection[str]) -> tuple[str, ...]:
    """Names of the linear layers that each run trains whole: the head, and what came without
    weights.

    Raises:
        BackboneError: something else came without weights.
    """
    linear = linear_layers(model)
    modules = dict(named_modules(model))
    # PEFT trains modules whose names end like this for a sequence classifier
    heads = {name for name in linear if name.split(".")[0].endswith(("classifier", "score"))}
    inside = f"{encoder_name(model)}."

    def may_lack(name: str) -> bool:
        if name.startswith(inside) and "pooler" not in name:
            return False
        # a head's norm begins as the identity and may stay that
        return name in linear or isinstance(modules.get(name), nn.LayerNorm)

    odd = sorted(name for name in fresh if not may_lack(name))
    if odd:
        raise BackboneError(
            "the checkpoint lacks weights that are not a head's",
            found=", ".join(odd[:5]),
            remedy="name a checkpoint whose encoder is complete",
        )
    return tuple(name for name in linear if name in heads or name in fresh)


def encoder_name(model: nn.Module) -> str:
    """Under which name the model holds its encoder."""
    mean = isinstance(model, MeanClassifier)
    return "base" if mean else cast("str", cast("Any", model).base_model_prefix)


def layers_of(model: nn.Module) -> nn.ModuleList:
    """The encoder's layers: its longest list of modules.

    Raises:
        BackboneError: it has none.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise BackboneError(
            f"{type(model).__name__} has no list of layers",
            remedy="use an encoder built of layers: BERT, RoBERTa, DistilBERT, ELECTRA and kin",
        )
    return max(lists, key=len)


def position_offset(model: nn.Module) -> int:
    """The position of an example's first token: 0, but padding index + 1 in RoBERTa's family."""
    for module in model.modules():
        if hasattr(module, "create_position_ids_from_input_ids"):
            return int(cast("Any", module).padding_idx) + 1
    return 0


def packable(model: nn.Module) -> bool:
    """Whether strips may hold several examples, as far as the encoder's build tells: attention by
    transformers' interface, positions as an input, no window. `verify` tries what this cannot see.
    """
    config = cast("Any", model.config)
    windows = ("sliding_window", "local_attention", "attention_window")
    by_interface = bool(getattr(bare(model), "_supports_attention_backend", False))
    given = "position_ids" in accepted_inputs(model)
    return by_interface and given and not any(getattr(config, name, None) for name in windows)


def use_attention(model: nn.Module, name: str) -> None:
    """Sets the attention implementation; an encoder that has only its own keeps that."""
    encoder = cast("Any", bare(model))
    if getattr(encoder, "_supports_attention_backend", False):
        encoder.set_attn_implementation(name)
    else:
        encoder.config._attn_implementation = "eager"


def attention_dropout(model: nn.Module) -> float:
    """How likely the encoder drops an attention probability, 0 to 1."""
    config = cast("Any", model.config)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, name):
            return float(getattr(config, name))
    return 0.0


def accepted_inputs(model: nn.Module) -> set[str]:
    """Names of the arguments that the model as transformers made it takes."""
    return set(inspect.signature(bare(model).forward).parameters)
