"""What we save, PEFT loads; what PEFT saved, we load; equal runs give equal bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from weft.export.peft import CONFIG, HEAD, WEIGHTS, save_adapter
from weft.methods.predictor import load_predictor
from weft.training.inference import probabilities

from ..close import assert_close
from ..tiny import CLASSES, KINDS, Checkpoint, bank, quiet, save, stir, without
from .adapters import (
    LABELS,
    TEXTS,
    classifier,
    ours_on,
    peft_loaded,
    peft_model,
    saved,
    theirs_on,
)

# ---- ours to theirs


@pytest.mark.parametrize("whole", [False, True], ids=["bare encoder", "classifier checkpoint"])
@pytest.mark.parametrize("kind", KINDS)
def test_peft_loads_what_we_save(
    checkpoint: Checkpoint, kind: str, whole: bool, tmp_path: Path
) -> None:
    folder = checkpoint(kind, classifier=whole)
    ours = bank(folder, 2)
    stir(ours, 1, seed=1)
    target = saved(ours, 1, tmp_path / "adapter")
    theirs = peft_loaded(classifier(folder), target)
    assert_close(ours_on(ours, 1), theirs_on(theirs, target), "logits")


@pytest.mark.parametrize("kind", KINDS)
def test_mean_pooling_is_a_feature_extractor_and_a_head(
    checkpoint: Checkpoint, kind: str, tmp_path: Path
) -> None:
    folder = checkpoint(kind, mean=True)
    ours = bank(folder, 2)
    assert ours.backbone.source.pooling == "mean"
    stir(ours, 0, seed=2)
    target = saved(ours, 0, tmp_path / "adapter")
    with quiet():
        theirs = peft_loaded(AutoModel.from_pretrained(folder), target).eval()
    head = load_file(target / HEAD)
    assert set(head) == {"classifier.weight", "classifier.bias"}
    encoded = AutoTokenizer.from_pretrained(target)(TEXTS, padding=True, return_tensors="pt")
    mask = encoded["attention_mask"][..., None]
    if kind == "distilbert":
        encoded.pop("token_type_ids", None)
    with torch.no_grad():
        hidden = theirs(**encoded).last_hidden_state
    mean = (hidden * mask).sum(1) / mask.sum(1)
    logits = mean @ head["classifier.weight"].T + head["classifier.bias"]
    assert_close(ours_on(ours, 0), logits, "logits")


@pytest.mark.parametrize("mean", [False, True], ids=["cls", "mean"])
@pytest.mark.parametrize("kind", KINDS)
def test_we_load_what_we_saved(
    checkpoint: Checkpoint, kind: str, mean: bool, tmp_path: Path
) -> None:
    ours = bank(checkpoint(kind, mean=mean), 3)
    stir(ours, 2, seed=3)
    target = saved(ours, 2, tmp_path / "adapter")
    predictor = load_predictor(target)
    assert predictor.card.labels == LABELS
    expected = probabilities(ours_on(ours, 2).double().numpy())
    np.testing.assert_allclose(predictor.probabilities(TEXTS), expected, atol=1e-6)
    assert predictor.probabilities([]).shape == (0, CLASSES)


def test_names_and_settings_are_those_that_peft_writes(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = checkpoint("bert")
    ours = bank(folder, 1)
    target = saved(ours, 0, tmp_path / "ours")
    lora = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=6, lora_dropout=0.1)
    with quiet():
        get_peft_model(classifier(folder), lora).save_pretrained(tmp_path / "theirs")
    tensors = [load_file(path / WEIGHTS) for path in (target, tmp_path / "theirs")]
    shapes = [{name: t.shape for name, t in one.items()} for one in tensors]
    assert shapes[0] == shapes[1]
    configs = [json.loads((path / CONFIG).read_text()) for path in (target, tmp_path / "theirs")]
    for config in configs:
        config["target_modules"] = sorted(config["target_modules"])
        config["modules_to_save"] = sorted(config["modules_to_save"])
    assert configs[0] == configs[1]


# ---- a pooler that no checkpoint had


def test_a_fresh_pooler_is_trained_saved_and_loaded(tmp_path: Path) -> None:
    folder = without(save(tmp_path / "bert", "bert"), "pooler")
    ours = bank(folder, 1)
    assert ours.backbone.fresh == ("bert.pooler.dense", "classifier")
    stir(ours, 0, seed=4)
    target = saved(ours, 0, tmp_path / "adapter")
    theirs = peft_loaded(classifier(folder), target)
    logits = ours_on(ours, 0)
    assert_close(logits, theirs_on(theirs, target), "logits")
    expected = probabilities(logits.double().numpy())
    np.testing.assert_allclose(load_predictor(target).probabilities(TEXTS), expected, atol=1e-6)


# ---- theirs to ours


@pytest.mark.parametrize("whole", [False, True], ids=["bare encoder", "classifier checkpoint"])
@pytest.mark.parametrize("kind", KINDS)
def test_we_load_what_peft_saved(
    checkpoint: Checkpoint, kind: str, whole: bool, tmp_path: Path
) -> None:
    folder = checkpoint(kind, classifier=whole)
    theirs = peft_model(folder, kind, seed=5)
    with quiet():
        theirs.save_pretrained(tmp_path)
    predictor = load_predictor(tmp_path)
    assert predictor.card.labels == tuple(f"LABEL_{k}" for k in range(CLASSES))
    expected = theirs_on(theirs, folder).softmax(1).numpy()
    np.testing.assert_allclose(predictor.probabilities(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_we_load_an_adapter_of_all_linear_layers(
    checkpoint: Checkpoint, kind: str, tmp_path: Path
) -> None:
    """`dense` is the name of layers inside the encoder and of BERT's pooler too."""
    folder = checkpoint(kind)
    theirs = peft_model(folder, kind, seed=6, target_modules=["query", "key", "value", "dense"])
    with quiet():
        theirs.save_pretrained(tmp_path)
    predictor = load_predictor(tmp_path)
    expected = theirs_on(theirs, folder).softmax(1).numpy()
    np.testing.assert_allclose(predictor.probabilities(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_peft_loads_our_adapter_of_all_linear_layers(
    checkpoint: Checkpoint, kind: str, tmp_path: Path
) -> None:
    folder = checkpoint(kind)
    ours = bank(folder, 1, targets=("query", "key", "value", "dense"))
    stir(ours, 0, seed=7)
    target = saved(ours, 0, tmp_path / "adapter")
    theirs = peft_loaded(classifier(folder), target)
    assert_close(ours_on(ours, 0), theirs_on(theirs, target), "logits")


# ---- equal bytes

MANY = ("query", "key", "value", "attention.output.dense", "intermediate.dense")
_AGAIN = f"""
import sys
from pathlib import Path
from weft.config import BackboneSettings, LoraSettings
from weft.export.peft import save_adapter
from weft.nn.backbone import load
from weft.nn.bank import Bank
from weft.nn.source import find

for folder, target in zip(sys.argv[1::2], sys.argv[2::2]):
    settings = BackboneSettings(name=folder, precision="float32")
    lora = LoraSettings(r=4, lora_alpha=6, target_modules={MANY})
    bank = Bank(load(find(settings), settings, {CLASSES}), lora, 1)
    bank.enter(0, 99)
    Path(target).mkdir(parents=True)
    save_adapter(Path(target), bank, bank.state(0))
"""


def test_equal_runs_give_equal_bytes_in_another_process(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Sets of words come in another order under another hash seed; files must not."""
    folders = [checkpoint("bert"), checkpoint("bert", mean=True)]
    there = [str(p) for k, folder in enumerate(folders) for p in (folder, tmp_path / f"there{k}")]
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", _AGAIN, *there], env=environment, check=True, timeout=120)
    for k, folder in enumerate(folders):
        ours = bank(folder, 2, targets=MANY)
        ours.enter(1, 99)
        (tmp_path / f"here{k}").mkdir()
        save_adapter(tmp_path / f"here{k}", ours, ours.state(1))
        here, other = (
            {path.name: path.read_bytes() for path in (tmp_path / f"{place}{k}").iterdir()}
            for place in ("here", "there")
        )
        assert {CONFIG, WEIGHTS, "tokenizer.json"} <= set(here)
        assert here == other
