"""The three forms in which a model leaves: PEFT's adapter, transformers' model, an ONNX graph."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers.utils import logging

from weft.errors import AdapterError
from weft.export import card
from weft.export.merged import save_whole
from weft.export.peft import CONFIG, WEIGHTS
from weft.nn.anatomy import accepted_inputs, bare
from weft.nn.backbone import Backbone
from weft.nn.mean import MeanClassifier
from weft.nn.shapes import PREFIX
from weft.release.onnx_graph import write_graph
from weft.release.usage import Target
from weft.release.whole import Parts, whole

GRAPH = "model.onnx"


def write(parts: Parts, target: Target, folder: Path, *, int8: bool = False) -> None:
    """Writes the model into `folder`, which must exist.

    Raises:
        AdapterError: this model has no such form.
        ConfigError: a package that is asked for is not installed.
    """
    if target == "peft":
        _write_adapter(parts, folder)
        return
    backbone = whole(parts)
    labels = parts.card.labels
    mean = backbone.source.pooling == "mean"
    if target == "merged":
        if mean:
            _quietly(lambda: _with_mean(backbone, labels).save_pretrained(str(folder)))
        else:
            model = cast("Any", backbone.model)
            state = {PREFIX + name: tensor for name, tensor in model.named_parameters()}
            save_whole(folder, backbone, state, labels)
    else:
        config: Any = deepcopy(backbone.config)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: place for place, label in enumerate(labels)}
        config.save_pretrained(str(folder))
        model = _with_mean(backbone, labels) if mean else backbone.model
        write_graph(model, _inputs(backbone), folder / GRAPH, int8=int8)
    _save_tokenizer(backbone, folder)


def _write_adapter(parts: Parts, folder: Path) -> None:
    if parts.card.method != "lora":
        raise AdapterError(
            f"the model in {parts.folder} is no adapter: its method is {parts.card.method}",
            remedy="export it with --to merged or --to onnx, or a run of lora (STUDY:RUN)",
        )
    for name in (CONFIG, WEIGHTS, *(name for name in card.MODEL_FILES if name != "README.md")):
        if (parts.folder / name).is_file():
            shutil.copyfile(parts.folder / name, folder / name)
    card.write(folder, parts.card)  # which PEFT's own folders lack
    _save_tokenizer(parts.backbone(), folder)


def _with_mean(backbone: Backbone, labels: tuple[str, ...]) -> Any:
    """The model as a class that transformers loads by its own file, `modeling_weft_mean.py`."""
    from weft.release import modeling_weft_mean as shipped

    inner = cast("MeanClassifier", backbone.model)
    encoder = deepcopy(cast("Any", inner.config))
    encoder._attn_implementation = None  # the loader's choice
    encoder._name_or_path = ""  # a folder of this machine
    config = shipped.WeftMeanConfig(
        encoder=encoder,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
        dtype=torch.float32,
    )
    made: Any = shipped.WeftMeanForSequenceClassification(config)
    made.encoder, made.classifier = inner.base, inner.classifier
    cast("Any", shipped.WeftMeanConfig).register_for_auto_class()
    cast("Any", shipped.WeftMeanForSequenceClassification).register_for_auto_class(
        "AutoModelForSequenceClassification"
    )
    return made.eval()


def _inputs(backbone: Backbone) -> list[str]:
    """What the tokenizer gives and the encoder takes."""
    accepted = accepted_inputs(bare(cast("nn.Module", backbone.model)))
    given = cast("list[str]", cast("Any", backbone.tokenizer).model_input_names)
    return [name for name in given if name in accepted]


def _save_tokenizer(backbone: Backbone, folder: Path) -> None:
    """With the length that texts are cut to, and the inputs that the encoder takes."""
    tokenizer: Any = deepcopy(backbone.tokenizer)
    tokenizer.model_max_length = backbone.max_length
    tokenizer.model_input_names = _inputs(backbone)
    tokenizer.save_pretrained(str(folder))


def _quietly(do: Callable[[], object]) -> None:
    """Without transformers' bars."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        do()
    finally:
        if shown:
            logging.enable_progress_bar()
