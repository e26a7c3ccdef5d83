"""A backbone's shape without its weights, to count parameters before anything is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from weft.config import BackboneSettings
from weft.errors import BackboneError, WeftError, did_you_mean
from weft.nn.anatomy import head_modules
from weft.nn.mean import MeanClassifier
from weft.nn.source import is_folder, near_names, packaged, pooling_of


def skeleton(settings: BackboneSettings, classes: int) -> tuple[nn.Module, tuple[str, ...], str]:
    """The backbone's shape without its weights, to count parameters before anything is fetched.

    Returns:
        The model on the meta device, its trained head modules, and where its shape came from.
    """
    config: Any
    auto = cast("Any", AutoConfig)
    try:
        if settings.name == "minilm" or is_folder(settings.name):
            folder = packaged() if settings.name == "minilm" else Path(settings.name)
            config = auto.from_pretrained(folder, trust_remote_code=False)
            pooling = pooling_of(settings, folder)
            origin = f"configuration of {settings.name}"
        else:
            config = auto.from_pretrained(
                settings.name, revision=settings.revision, trust_remote_code=False
            )
            pooling = "mean" if settings.pooling == "mean" else "cls"
            origin = f"configuration of {settings.name} from the hub or its cache"
    except Exception as error:  # whatever a damaged configuration brings transformers to
        if isinstance(error, WeftError):
            raise
        if settings.name not in ("bert-base-uncased", "google-bert/bert-base-uncased"):
            raise BackboneError(
                f"the configuration of {settings.name} could not be had",
                found=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
                remedy="check the name and the network (`weft doctor`), or name a local folder"
                f"{did_you_mean(settings.name, near_names(settings.name))}",
            ) from error
        from transformers import BertConfig

        # transformers documents BertConfig's defaults as bert-base-uncased's own values
        config, pooling = BertConfig(), "cls"
        origin = (
            "transformers' default BertConfig, which is that of bert-base-uncased (hub not reached)"
        )
    config.num_labels = classes
    with torch.device("meta"):
        if pooling == "mean":
            encoder = cast("Any", AutoModel).from_config(config)
            model: nn.Module = MeanClassifier(encoder, classes)
        else:
            model = cast("Any", AutoModelForSequenceClassification).from_config(config)
    return model, head_modules(model, ()), origin
