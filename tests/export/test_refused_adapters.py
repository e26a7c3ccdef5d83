"""Adapters that do not fit, are damaged, or ask for what a bank does not train."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoTokenizer

from weft.config import LoraSettings
from weft.errors import AdapterError
from weft.export import card
from weft.export.peft import CONFIG, WEIGHTS, read_adapter
from weft.methods.predictor import load_predictor

from ..tiny import Checkpoint, backbone, bank, quiet, save
from .adapters import TEXTS, peft_model, saved


def test_the_backbone_must_be_the_one_trained_on(tmp_path: Path) -> None:
    mine, other = save(tmp_path / "a", "bert", seed=1), save(tmp_path / "b", "bert", seed=2)
    target = saved(bank(mine), 0, tmp_path / "adapter")
    with pytest.raises(AdapterError, match="other weights than those of") as caught:
        load_predictor(target, str(other))
    assert "--backbone" in caught.value.remedy
    load_predictor(target, str(mine))


def test_a_foreign_adapter_must_fit(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with quiet():
        peft_model(checkpoint("bert"), "bert", seed=1).save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="does not fit the backbone"):
        load_predictor(tmp_path, str(checkpoint("electra")))


def _adapter(checkpoint: Checkpoint, folder: Path) -> Path:
    return saved(bank(checkpoint("bert")), 0, folder / "adapter")


def test_truncated_weights(checkpoint: Checkpoint, tmp_path: Path) -> None:
    target = _adapter(checkpoint, tmp_path)
    whole = (target / WEIGHTS).read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        (target / WEIGHTS).write_bytes(whole[:length])
        with pytest.raises(AdapterError, match="damaged"):
            load_predictor(target)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, card.FILE])
def test_a_missing_file_is_named(checkpoint: Checkpoint, name: str, tmp_path: Path) -> None:
    target = _adapter(checkpoint, tmp_path)
    (target / name).unlink()
    if name == card.FILE:  # still an adapter of PEFT's
        load_predictor(target)
        return
    with pytest.raises(AdapterError, match=name):
        load_predictor(target)


def test_pickled_adapters_are_not_opened(checkpoint: Checkpoint, tmp_path: Path) -> None:
    target = _adapter(checkpoint, tmp_path)
    (target / WEIGHTS).rename(target / "adapter_model.bin")
    with pytest.raises(AdapterError, match="never opens"):
        load_predictor(target)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"r": 8}', '{"peft_type": "LORA", "r": "eight"}']
)
def test_a_damaged_config(checkpoint: Checkpoint, text: str, tmp_path: Path) -> None:
    target = _adapter(checkpoint, tmp_path)
    (target / CONFIG).write_text(text)
    with pytest.raises(AdapterError):
        read_adapter(target)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_dora", True),
        ("use_rslora", True),
        ("rank_pattern", {"query": 2}),
        ("bias", "all"),
        ("target_modules", "all-linear"),
        ("peft_type", "IA3"),
        ("layers_to_transform", [0]),
    ],
)
def test_what_a_bank_does_not_train_is_refused(
    checkpoint: Checkpoint, field: str, value: object, tmp_path: Path
) -> None:
    target = _adapter(checkpoint, tmp_path)
    config = json.loads((target / CONFIG).read_text())
    (target / CONFIG).write_text(json.dumps(config | {field: value}))
    with pytest.raises(AdapterError) as caught:
        read_adapter(target)
    assert str(value) in str(caught.value)


def test_an_adapter_without_a_head(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with quiet():
        model = get_peft_model(
            AutoModel.from_pretrained(checkpoint("bert")),
            LoraConfig(task_type="FEATURE_EXTRACTION", target_modules=["query"]),
        )
        model.save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="no classification head"):
        load_predictor(tmp_path)


def test_settings_survive_the_folder(checkpoint: Checkpoint, tmp_path: Path) -> None:
    target = _adapter(checkpoint, tmp_path)
    assert read_adapter(target).lora == LoraSettings(
        r=4, lora_alpha=6, lora_dropout=0.1, target_modules=("query", "value")
    )


def test_loading_leaves_the_tokenizer_as_it_was(checkpoint: Checkpoint, tmp_path: Path) -> None:
    target = _adapter(checkpoint, tmp_path)
    own = backbone(checkpoint("bert")).tokenizer(TEXTS)["input_ids"]
    assert AutoTokenizer.from_pretrained(target)(TEXTS)["input_ids"] == own
