"""A saved model taken apart, and put together as weft's bank or as one plain module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
)
from torch import Tensor, nn

from weft.config import BackboneSettings, LoraSettings, Precision
from weft.errors import AdapterError
from weft.export import card
from weft.export.bitfit import read_biases
from weft.export.peft import HEAD, read_adapter
from weft.export.tensors import renamed
from weft.methods import probe
from weft.methods.predictor import load_predictor
from weft.nn.anatomy import linear_layers
from weft.nn.backbone import Backbone, load
from weft.nn.bank import Bank
from weft.nn.shapes import PREFIX, Update
from weft.nn.source import Source, find
from weft.text.tokens import tokenize
from weft.training.inference import Packed, logits_of


@dataclass(frozen=True)
class Parts:
    """A saved model: which encoder, and what was trained on it."""

    folder: Path
    card: card.ModelCard
    settings: BackboneSettings
    source: Source
    """The encoder's files."""
    update: Update
    head: tuple[str, ...]
    tensors: dict[str, Tensor]
    """What was trained, by the names of `Bank.state`."""

    @property
    def temperature(self) -> float:
        """Of its probabilities; 1 where none was fitted."""
        return 1.0 if self.card.calibration is None else self.card.calibration.temperature

    def backbone(self, precision: Precision = "float32") -> Backbone:
        """The encoder with a fresh head, as transformers makes it."""
        settings = self.settings.model_copy(update={"precision": precision})
        return load(self.source, settings, len(self.card.labels), self.head)


def parts_of(folder: Path, backbone: str | None = None) -> Parts:
    """Reads a saved model, ours or PEFT's, that an encoder is part of.

    Args:
        folder: of the model.
        backbone: where its encoder is now, if not where the folder says.

    Raises:
        AdapterError: the folder holds no model, it does not fit the backbone, or nobody but weft
            can compute it.
        BackboneError: its encoder cannot be had.
    """
    saved = load_predictor(folder, backbone).card  # checks all that is to be checked
    if saved.backbone is None:
        raise AdapterError(
            f"the model in {folder} has no encoder: {saved.method} counts words",
            remedy="export a run of another method (STUDY:RUN), or use this one with weft",
        )
    if saved.method == "probe" and saved.backbone.pooling == "cls":
        raise AdapterError(
            f"the model in {folder} is a linear probe on first tokens",
            found="transformers' classifiers read those through a trained pooler",
            remedy="export a run of lora, bitfit or full (STUDY:RUN), or a probe by --pooling mean",
        )
    whole = saved.method == "full"
    settings = BackboneSettings(
        name=str(folder) if whole else backbone or saved.backbone.name,
        revision=None if whole or backbone is not None else saved.backbone.revision,
        pooling=saved.backbone.pooling,
        max_length=saved.backbone.max_length,
    )
    update: Update = "head"
    head: tuple[str, ...] = ()
    tensors: dict[str, Tensor] = {}
    if saved.method == "lora":
        adapter = read_adapter(folder)
        update, head, tensors = adapter.lora, adapter.head, adapter.state
    elif saved.method == "bitfit":
        update = "biases"
        tensors, head = read_biases(folder)
    elif saved.method == "probe":
        linear = probe.read_head(folder)
        own = {"weight": linear.weight, "bias": linear.bias}
        tensors = {
            f"{PREFIX}classifier.{name}": torch.as_tensor(tensor, dtype=torch.float32)
            for name, tensor in own.items()
        }
    elif saved.backbone.pooling == "mean":
        tensors = renamed(load_file(folder / HEAD), "", PREFIX)
    return Parts(folder, saved, settings, find(settings), update, head, tensors)


def logits_by_weft(
    parts: Parts, texts: Sequence[str], pairs: Sequence[str] | None, precision: Precision
) -> NDArray[np.float64]:
    """(B, C) logits as weft's bank computes them, no temperature.

    Args:
        precision: of the encoder's products.
    """
    bank = Bank(parts.backbone(precision), parts.update, slots=1, trains=False)
    bank.enter_loaded(0)
    own = bank.state(0)
    for name, tensor in parts.tensors.items():
        own[name].copy_(tensor)
    backbone = bank.backbone
    tokens = tokenize(backbone.tokenizer, texts, pairs, backbone.max_length)
    return logits_of(bank, 0, Packed.of(tokens, bank))


def whole(parts: Parts) -> Backbone:
    """The encoder with what was trained merged into its weights, its temperature into its head.

    So what leaves is what `weft predict` says: the softmax of its logits is calibrated.
    """
    backbone = parts.backbone()
    model = cast("nn.Module", backbone.model)
    places = dict(cast("Any", model).named_parameters())
    with torch.no_grad():
        for name, tensor in parts.tensors.items():
            site, low, which = name.removeprefix(PREFIX).partition(".lora_")
            if not low:
                places[site].copy_(tensor)
            elif which.startswith("A"):
                assert isinstance(parts.update, LoraSettings)
                up = parts.tensors[f"{PREFIX}{site}.lora_B.weight"]
                scale = parts.update.lora_alpha / parts.update.r
                change = scale * (up.double() @ tensor.double())
                places[f"{site}.weight"].copy_(places[f"{site}.weight"].double() + change)
        last = [layer for n, layer in linear_layers(model).items() if n in backbone.fresh][-1]
        for tensor in last.parameters():
            tensor.div_(parts.temperature)
    return backbone
