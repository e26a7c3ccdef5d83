"""Adapters as a study saves them and as PEFT does, and both sides' logits on the same texts."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from weft.export import card
from weft.export.peft import backbone_card, save_adapter
from weft.nn.bank import Bank
from weft.text.tokens import tokenize
from weft.training.inference import Packed, logits_of

from ..tiny import CLASSES, TARGETS, quiet, texts

TEXTS = texts(12)
LABELS = ("bad", "so-so", "good")


def ours_on(bank: Bank, slot: int) -> Tensor:
    """Our logits of TEXTS, (B, C)."""
    backbone = bank.backbone
    tokens = tokenize(backbone.tokenizer, TEXTS, None, backbone.max_length)
    return torch.from_numpy(logits_of(bank, slot, Packed.of(tokens, bank))).float()


def theirs_on(model: torch.nn.Module, folder: Path) -> Tensor:
    """A transformers classifier's logits of TEXTS, padded, with the tokenizer in `folder`."""
    encoded = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    if "distilbert" in type(model.get_base_model()).__name__.lower():
        encoded.pop("token_type_ids", None)
    with torch.no_grad():
        return model.eval()(**encoded).logits


def saved(bank: Bank, slot: int, folder: Path) -> Path:
    """A slot's run as a study writes it."""
    folder.mkdir(parents=True)
    save_adapter(folder, bank, bank.state(slot))
    described = card.ModelCard(
        method="lora", labels=LABELS, positive=None, backbone=backbone_card(bank.backbone)
    )
    card.write(folder, described)
    return folder


def classifier(folder: Path) -> torch.nn.Module:
    """The base model that a user of PEFT makes, in float32."""
    with quiet():
        return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=CLASSES)


def peft_loaded(base: torch.nn.Module, folder: Path) -> PeftModel:
    """An adapter as PEFT loads it; a missing or superfluous tensor is a warning, so an error."""
    with quiet():
        return PeftModel.from_pretrained(base, folder)


def peft_model(folder: Path, kind: str, seed: int, **lora: object) -> PeftModel:
    """A PEFT model with random weights in all that it trains."""
    settings = {"target_modules": list(TARGETS[kind]), "r": 4, "lora_alpha": 6} | lora
    with quiet():
        model = get_peft_model(classifier(folder), LoraConfig(task_type="SEQ_CLS", **settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.2, generator=generator)
    return model
