"""Puts a bank's leaves in the place of a model's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from weft.config import LoraSettings
from weft.nn.anatomy import attention_dropout, named_modules
from weft.nn.backbone import Backbone
from weft.nn.dropout import BankDropout, Step
from weft.nn.leaves import (
    BankBias,
    BankLinear,
    BankLora,
    BankNorm,
    FrozenLinear,
    WholeEmbedding,
)
from weft.nn.shapes import PREFIX, Update, target_names

Trained = Mapping[str, nn.Parameter]
"""What is trained by the names of `Bank.state`, the slot being the first axis of each tensor."""
_LEAVES = (BankDropout, FrozenLinear, BankLora, BankBias, BankNorm, nn.ModuleList)


def swap(
    backbone: Backbone, layers: nn.ModuleList, update: Update, trained: Trained, step: Step
) -> None:
    """Changes the backbone's model in place.

    Args:
        layers: the encoder's.
        update: what is trained beside the head.
        trained: shaped as `shapes_of` says, gradients allocated.
        step: what the leaves are to know of the step under way.
    """
    model = cast("nn.Module", backbone.model)
    owned = {id(p): name for name, p in model.named_parameters()} if update == "all" else {}
    lora = isinstance(update, LoraSettings)
    targets = target_names(model, update, backbone.fresh) if lora else ()
    for name, module in named_modules(model):
        new: nn.Module | None = None
        if isinstance(module, nn.Dropout):
            new = BankDropout(module.p, step, name)
        elif isinstance(module, nn.Linear) and name in backbone.fresh:
            bias = trained.get(f"{PREFIX}{name}.bias")
            new = BankLinear(trained[f"{PREFIX}{name}.weight"], bias, step)
        elif update == "all":
            continue
        elif isinstance(module, nn.Linear):
            new = _linear(name, module, update, targets, trained, step)
        elif isinstance(module, nn.LayerNorm) and f"{PREFIX}{name}.bias" in trained:
            new = BankNorm(module, trained[f"{PREFIX}{name}.bias"], step)
        if new is not None:
            _put(model, name, new)
    if update == "all":
        _share(model, owned, trained)
    probability = attention_dropout(model)
    inside = {module for layer in layers for module in layer.modules()}
    for name, module in [(n, m) for n, m in named_modules(model) if m in inside]:
        # the attention function is given the layer that called it, and finds its dropout here
        if not isinstance(module, _LEAVES):
            cast("Any", module).bank_dropout = BankDropout(probability, step, f"{name}.attention")


def _linear(
    name: str,
    module: nn.Linear,
    update: Update,
    targets: tuple[str, ...],
    trained: Trained,
    step: Step,
) -> nn.Module:
    """What takes the place of a linear layer outside the head."""
    new = FrozenLinear(module, module.weight.dtype)
    bias = trained.get(f"{PREFIX}{name}.bias")
    if bias is not None:
        new.bias = None
        return BankBias(new, bias, step)
    if name not in targets:
        return new
    assert isinstance(update, LoraSettings)
    return BankLora(
        new,
        trained[f"{PREFIX}{name}.lora_A.weight"],
        trained[f"{PREFIX}{name}.lora_B.weight"],
        update.lora_alpha / update.r,
        BankDropout(update.lora_dropout, step, name),
        step,
    )


def _share(model: nn.Module, owned: Mapping[int, str], trained: Trained) -> None:
    """Makes every parameter of the model a view of the only slot, gradient and all."""
    views: dict[str, nn.Parameter] = {}
    for place, module in named_modules(model):
        for key, parameter in list(module.named_parameters(recurse=False)):
            name = owned.get(id(parameter))
            if name is None:  # a head's, which holds its weights by slot
                continue
            if name not in views:
                own = trained[PREFIX + name]
                assert own.grad is not None
                views[name] = nn.Parameter(own.detach()[0])
                views[name].grad = own.grad[0]
            setattr(module, key, views[name])
        plain = type(module) is nn.Embedding and not module.sparse and module.max_norm is None
        if plain:
            _put(model, place, WholeEmbedding(cast("nn.Parameter", module.weight)))


def _put(model: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, new)
