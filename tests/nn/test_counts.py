"""Parameter counts: the reference model's, and for every kind the number that PEFT prints."""

from __future__ import annotations

import huggingface_hub.constants
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, BertConfig

from weft.config import BackboneSettings, LoraSettings
from weft.nn.shapes import count_parameters
from weft.nn.skeleton import skeleton

from ..tiny import CLASSES, KINDS, TARGETS, Checkpoint, bank, quiet


@pytest.mark.parametrize("name", ["bert-base-uncased", "google-bert/bert-base-uncased"])
def test_the_reference_model_without_any_weights(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    model, head, origin = skeleton(BackboneSettings(name=name), 2)
    assert head == ("classifier",)
    assert "bert-base-uncased" in origin
    assert all(parameter.is_meta for parameter in model.parameters())
    assert count_parameters(model, head, LoraSettings()) == (296_450, 109_778_690, 109_780_228)


def test_what_peft_prints_for_it() -> None:
    with quiet(), torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(BertConfig())
        lora = LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, lora_dropout=0.1)
        assert get_peft_model(model, lora).get_nb_trainable_parameters() == (296_450, 109_780_228)


@pytest.mark.parametrize("whole", [False, True], ids=["bare encoder", "classifier checkpoint"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_as_peft_counts_it(checkpoint: Checkpoint, kind: str, whole: bool) -> None:
    folder = checkpoint(kind, classifier=whole)
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=CLASSES)
        total = sum(parameter.numel() for parameter in model.parameters())
        lora = LoraConfig(task_type="SEQ_CLS", r=4, target_modules=list(TARGETS[kind]))
        trainable, printed = get_peft_model(model, lora).get_nb_trainable_parameters()
    ours = bank(folder, 3)
    assert (ours.trainable, ours.peft_total) == (trainable, printed)
    update = sum(p[0].numel() for name, p in ours.trained.items() if ".lora_" in name)
    assert ours.total == total + update
    assert ours.trainable == sum(p[0].numel() for p in ours.trained.values())


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_skeleton_counts_what_the_bank_trains(
    checkpoint: Checkpoint, kind: str, pooling: str
) -> None:
    folder = checkpoint(kind)
    settings = BackboneSettings.model_validate({"name": str(folder), "pooling": pooling})
    model, head, _ = skeleton(settings, CLASSES)
    ours = bank(folder, 1, pooling=pooling)
    assert head == ours.backbone.fresh
    counts = count_parameters(model, head, LoraSettings(r=4))
    assert counts == (ours.trainable, ours.total, ours.peft_total)
