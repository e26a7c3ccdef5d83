"""How an export is used, in Python: what stands in its card is what its certificate ran."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Target = Literal["peft", "merged", "onnx"]
"""The forms in which a model leaves."""

_PEFT = """\
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

base = AutoModelForSequenceClassification.from_pretrained(
    {base}, num_labels={classes}, ignore_mismatched_sizes=True, dtype=torch.float32
)
model = PeftModel.from_pretrained(base, {model}).eval()
tokenizer = AutoTokenizer.from_pretrained({model})


@torch.no_grad()
def logits(texts, pairs=None):
    inputs = tokenizer(texts, pairs, truncation=True, padding=True, return_tensors="pt")
    return model(**inputs).logits
"""
_PEFT_MEAN = """\
import torch
from huggingface_hub import snapshot_download
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

folder = {folder}
base = AutoModel.from_pretrained({base}, dtype=torch.float32)
encoder = PeftModel.from_pretrained(base, folder).eval()
head = load_file(f"{{folder}}/head.safetensors")
tokenizer = AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def logits(texts, pairs=None):
    inputs = tokenizer(texts, pairs, truncation=True, padding=True, return_tensors="pt")
    real = inputs["attention_mask"][..., None]
    mean = (encoder(**inputs).last_hidden_state * real).sum(1) / real.sum(1)
    return mean @ head["classifier.weight"].T + head["classifier.bias"]
"""
_MERGED = """\
from transformers import pipeline

classify = pipeline("text-classification", {model}{trust})
"""
_ONNX = """\
import numpy as np
import onnxruntime
from huggingface_hub import snapshot_download
from tokenizers import Tokenizer

folder = {folder}
session = onnxruntime.InferenceSession(
    f"{{folder}}/model.onnx", providers=["CPUExecutionProvider"]
)
tokenizer = Tokenizer.from_file(f"{{folder}}/tokenizer.json")
tokenizer.enable_truncation({length})
tokenizer.enable_padding(pad_id={pad_id}, pad_token={pad})


def logits(texts, pairs=None):
    rows = tokenizer.encode_batch(list(zip(texts, pairs)) if pairs else texts)
    given = {{
        "input_ids": [row.ids for row in rows],
        "attention_mask": [row.attention_mask for row in rows],
        "token_type_ids": [row.type_ids for row in rows],
    }}
    wanted = [one.name for one in session.get_inputs()]
    return session.run(["logits"], {{name: np.array(given[name]) for name in wanted}})[0]
"""
_IN_BATCHES = """
found = []
for start in range(0, len(texts), 32):
    own = pairs and pairs[start : start + 32]
    found += logits(texts[start : start + 32], own).tolist()
"""
_BY_PIPELINE = """
inputs = [{"text": a, "text_pair": b} for a, b in zip(texts, pairs)] if pairs else texts
raw = {"top_k": None, "function_to_apply": "none", "truncation": True, "batch_size": 32}
rows = [{one["label"]: one["score"] for one in row} for row in classify(inputs, **raw)]
found = [[row[label] for label in labels] for row in rows]
"""
_TRUST = ", trust_remote_code=True"
CODE = "modeling_weft_mean.py"
"""What a merged model that pools by the mean brings along, and transformers then runs."""
LIBRARIES: dict[Target, tuple[str, ...]] = {
    "peft": ("peft", "transformers", "torch"),
    "merged": ("transformers", "torch"),
    "onnx": ("onnxruntime", "tokenizers"),
}
"""What a user of an export needs, the first of which loads it."""
WITHOUT: dict[Target, tuple[str, ...]] = {
    "peft": ("weft",),
    "merged": ("weft", "peft"),
    "onnx": ("weft", "peft", "transformers", "torch"),
}
"""What cannot be imported where a certificate is measured."""


@dataclass(frozen=True)
class Reading:
    """How an export reads texts."""

    pooling: str
    max_length: int  # tokens that a text is cut to
    pad: str
    pad_id: int


def usage(
    target: Target, model: str, base: str, labels: Sequence[str], reading: Reading, *, hub: bool
) -> str:
    """Lines that load an export and define `logits`, or `classify` by transformers' pipeline.

    Args:
        model: the export's folder, or its name on the hub.
        base: the encoder's, as arguments of `from_pretrained`.
        reading: how texts are read.
        hub: whether `model` is a name on the hub.
    """
    mean = reading.pooling == "mean"
    text = _MERGED if target == "merged" else _ONNX
    if target == "peft":
        text = _PEFT_MEAN if mean else _PEFT
    if not hub:
        text = text.replace("from huggingface_hub import snapshot_download\n", "")
    return text.format(
        model=json.dumps(model),
        base=base,
        folder=f"snapshot_download({json.dumps(model)})" if hub else json.dumps(model),
        classes=len(labels),
        trust=_TRUST if mean else "",
        length=reading.max_length,
        pad_id=reading.pad_id,
        pad=json.dumps(reading.pad),
    )


def loading(target: Target, folder: str, *, mean: bool) -> str:
    """The line with which an export's user begins, for the end of the command.

    Args:
        folder: of the export.
        mean: whether it pools by the mean, for which transformers has no class of its own.
    """
    if target == "peft":
        return f'weft predict {shlex.quote(folder)} "dull, but kind"'
    if target == "onnx":
        return f"onnxruntime.InferenceSession({json.dumps(f'{folder}/model.onnx')})"
    trust = _TRUST if mean else ""
    return f'pipeline("text-classification", {json.dumps(folder)}{trust})'


def example(target: Target) -> str:
    """A line behind those of `usage`, for the reader to begin with."""
    call = "classify(" if target == "merged" else "logits(["
    end = ", truncation=True)" if target == "merged" else "])"
    return f'\nprint({call}"dull, but kind"{end})\n'


def measuring(target: Target) -> str:
    """Lines behind those of `usage` that compute `found` from `texts`, `pairs` and `labels`."""
    return _BY_PIPELINE if target == "merged" else _IN_BATCHES
