"""Encoders that cannot read the texts, or are not what they say, are refused before training."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import weft
from weft.config import BackboneSettings, LoraSettings, StudyConfig
from weft.errors import BackboneError, ConfigError, WeftError
from weft.nn.fitness import refuse_unknown
from weft.nn.source import find
from weft.study.ground import encoder_fits

from ..tiny import Checkpoint, backbone, bank, save, texts

Edit = Callable[[Path], object]


@pytest.fixture
def edited(checkpoint: Checkpoint, tmp_path: Path) -> Callable[..., Path]:
    """edited(edit, kind): a copy of a checkpoint, edited."""

    def make(edit: Edit, kind: str = "bert") -> Path:
        folder = tmp_path / "encoder"
        shutil.copytree(checkpoint(kind), folder)
        edit(folder)
        return folder

    return make


def refused(folder: Path, *parts: str, **settings: Any) -> WeftError:
    with pytest.raises(BackboneError) as caught:
        backbone(folder, **settings)
    for part in parts:
        assert part in str(caught.value), f"{part!r} not in:\n{caught.value}"
    assert caught.value.remedy
    return caught.value


def setting(name: str, **values: object) -> Edit:
    def edit(folder: Path) -> None:
        whole: dict[str, Any] = json.loads((folder / name).read_text())
        for place, value in values.items():
            *above, leaf = place.split("__")
            below = whole
            for part in above:
                below = below[part]
            below[leaf] = value
        (folder / name).write_text(json.dumps(whole))

    return edit


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})

    return edit


# Positions


@pytest.mark.parametrize(("kind", "offset"), [("bert", 0), ("roberta", 2)])
def test_positions(tmp_path: Path, kind: str, offset: int) -> None:
    short = save(tmp_path / "short", kind, max_position_embeddings=9 + offset)
    refused(short, "too few tokens", "its position limit is 9")
    least = save(tmp_path / "least", kind, max_position_embeddings=10 + offset)
    # the longest text that fits is read, and a longer one is cut to it
    own = bank(least)
    assert own.backbone.max_length == 10
    model = weft.Classifier("lora", str(least), precision="float32", epochs=1)
    rows = model.fit(texts(24, longest=60), [0, 1] * 12).predict_proba(["the plot " * 400])
    assert rows.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("kind", "special"), [("bert", 3), ("roberta", 4)])
def test_a_length_that_leaves_no_room(checkpoint: Checkpoint, kind: str, special: int) -> None:
    for length in (1, special + 1):
        refused(checkpoint(kind), "leaves no room", str(special + 2), max_length=length)
    assert backbone(checkpoint(kind), max_length=special + 2).max_length == special + 2


# Tokenizers


def test_a_vocabulary_larger_than_the_embeddings(tmp_path: Path) -> None:
    folder = save(tmp_path / "bert", "bert", vocab_size=40)
    refused(folder, "another encoder's", "the encoder has 40 embeddings")


def test_no_special_tokens(edited: Callable[..., Path]) -> None:
    def edit(folder: Path) -> None:
        setting("tokenizer.json", post_processor=None)(folder)
        # a kind of model that transformers knows gets its own back
        setting("tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")(folder)

    refused(edited(edit), "no special tokens")


def test_a_tokenizer_of_another_language() -> None:
    tokenizer: Any = type("Tokenizer", (), {})()
    tokenizer.all_special_ids, tokenizer.unk_token_id, tokenizer.unk_token = [0, 1, 2], 1, "[UNK]"
    known = np.array([0, 5, 6, 1, 1, 2] * 9)
    refuse_unknown("it", tokenizer, known)
    with pytest.raises(BackboneError, match=r"(?s)almost none.*100%"):
        refuse_unknown("it", tokenizer, np.array([0, 1, 1, 2]))
    tokenizer.unk_token_id = None
    refuse_unknown("it", tokenizer, np.array([0, 1, 1, 2]))


def test_texts_that_a_tokenizer_does_not_know_are_refused(checkpoint: Checkpoint) -> None:
    model = weft.Classifier("lora", str(checkpoint("bert")), precision="float32", epochs=1)
    with pytest.raises(BackboneError, match="almost none of the words"):
        model.fit([f"שלום עולם {'א' * k}" for k in range(1, 25)], [0, 1] * 12)


def test_no_code_of_a_checkpoint_runs(edited: Callable[..., Path], tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    def edit(folder: Path) -> None:
        (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
        setting("config.json", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})(folder)
        own = {"AutoTokenizer": ["evil.T", "evil.F"]}
        setting("tokenizer_config.json", auto_map=own, tokenizer_class="EvilTokenizer")(folder)

    folder = edited(edit)
    with contextlib.suppress(BackboneError):  # it may be refused, or read by transformers' code
        backbone(folder)
    setting("config.json", model_type="evil")(folder)
    refused(folder, "cannot be loaded")
    assert not mark.exists()
    assert not [name for name in sys.modules if "evil" in name]


# Weights and configurations


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_size": 64},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3},
        {"num_attention_heads": 5},
        {"num_attention_heads": "x"},
        {"vocab_size": 40},
        {"max_position_embeddings": 400},
        {"intermediate_size": 65},
        {"hidden_act": "no-such"},
        {"hidden_size": -1},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
    ],
    ids=str,
)
def test_a_configuration_of_other_weights(
    edited: Callable[..., Path], values: dict[str, object]
) -> None:
    refused(edited(setting("config.json", **values)))


def test_weights_that_are_no_numbers(edited: Callable[..., Path]) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        name = next(name for name in tensors if "layer.1" in name)
        tensors[name].view(-1)[0] = float("nan")
        return tensors

    refused(edited(weights(change)), "no finite numbers", "layer.1")


def test_a_pooler_that_was_never_saved_is_trained_with_the_head(
    edited: Callable[..., Path],
) -> None:
    folder = edited(weights(lambda all_: {n: t for n, t in all_.items() if "pooler" not in n}))
    assert backbone(folder).fresh == ("bert.pooler.dense", "classifier")


def test_an_adapter_beside_the_weights_names_no_other_encoder(
    edited: Callable[..., Path], checkpoint: Checkpoint
) -> None:
    """transformers would load the encoder that it names, and weft would hash this one."""
    other = {"peft_type": "LORA", "base_model_name_or_path": str(checkpoint("electra"))}
    folder = edited(lambda at: (at / "adapter_config.json").write_text(json.dumps(other)))
    refused(folder, "is an adapter", "adapter_config.json")


@pytest.mark.parametrize(
    "target",
    ["../../elsewhere.safetensors", "/etc/passwd", "pytorch_model.bin", "model-2.safetensors"],
)
def test_an_index_names_weights_beside_it_only(edited: Callable[..., Path], target: str) -> None:
    def index(folder: Path, file: str) -> None:
        shards = "model-00001-of-00001.safetensors"
        if (folder / "model.safetensors").exists():
            (folder / "model.safetensors").rename(folder / shards)
        names = load_file(folder / shards)
        whole = {"metadata": {}, "weight_map": dict.fromkeys(names, file or shards)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(whole))

    folder = edited(lambda at: index(at, ""))
    backbone(folder)
    index(folder, target)
    refused(folder, "does not hold the weights that its index names", target)
    (folder / "model.safetensors.index.json").write_text("[]")
    refused(folder, "index.json cannot be read")


# Before anything is written


def test_a_study_asks_before_it_begins(checkpoint: Checkpoint, tmp_path: Path) -> None:
    def ask(folder: Path, **settings: Any) -> None:
        lora = LoraSettings(target_modules=settings.pop("targets", None))
        chosen = BackboneSettings(name=str(folder), **settings)
        encoder_fits(StudyConfig(backbone=chosen, lora=lora), find(chosen), 2)

    ask(checkpoint("bert"))
    with pytest.raises(BackboneError, match="position limit"):
        ask(checkpoint("bert"), max_length=301)
    with pytest.raises(BackboneError, match="leaves no room"):
        ask(checkpoint("bert"), max_length=4)
    with pytest.raises(ConfigError, match="called qurey") as caught:
        ask(checkpoint("bert"), targets=("qurey", "value"))
    assert "did you mean query?" in caught.value.remedy
    with pytest.raises(BackboneError, match="another encoder's"):
        ask(save(tmp_path / "bert", "bert", vocab_size=40))
