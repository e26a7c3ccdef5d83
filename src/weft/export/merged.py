"""A whole model in transformers' format: what was trained in all its weights.

With CLS pooling the folder is a sequence classifier that transformers loads by itself. With mean
pooling, which transformers has no classifier for, it is the encoder, and the head lies beside it in
`head.safetensors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
    save_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
)
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification
from transformers.utils import logging

from weft.errors import AdapterError
from weft.export.peft import HEAD
from weft.export.tensors import portable, refuse_odd, renamed
from weft.nn.backbone import Backbone
from weft.nn.bank import Bank
from weft.nn.shapes import PREFIX

_BASE = "base."  # where a mean classifier holds its encoder


def save_whole(
    folder: Path, backbone: Backbone, state: Mapping[str, Tensor], labels: Sequence[str]
) -> None:
    """Writes model, configuration and tokenizer into `folder`, which must exist.

    Args:
        backbone: gives configuration and tokenizer; its weights are not read.
        state: all weights, as the `Bank.state` of a bank that trains all has them.
        labels: names of the classes, in their order.
    """
    mean = backbone.source.pooling == "mean"
    tensors = renamed(portable(state), PREFIX, "")
    if mean:
        head = {name: t for name, t in tensors.items() if not name.startswith(_BASE)}
        save_file(head, folder / HEAD, metadata={"format": "pt"})
        tensors = {n.removeprefix(_BASE): t for n, t in tensors.items() if n not in head}
    config: Any = deepcopy(backbone.config)
    config._attn_implementation = "eager"  # a bank's own is no setting of the model
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: place for place, label in enumerate(labels)}
    config.dtype = torch.float32
    kind = cast("Any", AutoModel if mean else AutoModelForSequenceClassification)
    with torch.device("meta"):
        model = cast("nn.Module", kind.from_config(config))
    if mean and hasattr(model, "pooler"):
        cast("Any", model).pooler = None  # reads the first token; nothing of this model does
    fault: Any = model.load_state_dict(tensors, strict=False, assign=True)
    lacking, odd = cast("list[str]", fault.missing_keys), cast("list[str]", fault.unexpected_keys)
    tied = set(cast("dict[str, str]", getattr(model, "all_tied_weights_keys", None) or {}))
    assert not odd, f"no place for {odd}"
    assert not set(lacking) - tied, f"no weights for {lacking}"
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        cast("Any", model).save_pretrained(str(folder))
    finally:
        if bars:
            logging.enable_progress_bar()
    cast("Any", backbone.tokenizer).save_pretrained(str(folder))


def restore_head(bank: Bank, folder: Path) -> None:
    """Puts a saved model's weights into the first slot of a bank over its own folder.

    Raises:
        AdapterError: its head is missing, damaged, or another model's.
    """
    bank.enter_loaded(0)
    if bank.backbone.source.pooling != "mean":
        return
    own = bank.state(0)
    try:
        head = renamed(load_file(folder / HEAD), "", PREFIX)
        if {n: t.shape for n, t in head.items()} != {n: t.shape for n, t in own.items()}:
            raise ValueError("its tensors are not those of this encoder")
    except (OSError, ValueError, SafetensorError) as error:
        raise AdapterError(
            f"the head in {folder} is damaged", found=str(error), remedy="train the model again"
        ) from error
    refuse_odd(head, str(folder / HEAD))
    bank.load_state(0, head)
