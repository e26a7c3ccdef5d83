"""Which encoders are packed, which are padded, and which are refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from weft.config import LoraSettings
from weft.errors import BackboneError
from weft.nn.bank import Bank
from weft.training.inference import Packed, logits_of

from ..tiny import CLASSES, backbone, quiet, save_any

WINDOW = {"num_hidden_layers": 4, "local_attention": 16, "global_attn_every_n_layers": 2}
Case = tuple[dict[str, Any], tuple[str, ...]]
PADDED: dict[str, Case] = {
    # by what forbids packing: own settings, layers that an update goes to
    "modernbert": (WINDOW, ("Wqkv",)),  # local layers see a window only
    "mpnet": ({"pad_token_id": 1}, ("q", "v")),  # positions by padding, bias by distance
    "deberta-v2": ({}, ("query_proj", "value_proj")),  # attends in its own way
    "albert": ({"embedding_size": 16}, ("query", "value")),  # one layer passed through again
}
REFUSED: dict[str, Case] = {
    "convbert": ({"embedding_size": 32}, ("query", "value")),  # looks over its edges
    "longformer": ({"attention_window": [8, 8]}, ("query", "value")),  # pads to its window
    "llama": ({}, ("q_proj", "v_proj")),  # sees no token to the right
    "deberta-v2": (
        {"pos_att_type": ["c2p", "p2c"], "relative_attention": True, "share_att_key": True},
        ("query_proj", "value_proj"),
    ),  # puts relative positions, which belong to no run, through the updated layer
}


def tokens(lengths: list[int]) -> Any:
    from weft.text.tokens import Tokens

    ids = np.random.default_rng(3).integers(12, 80, sum(lengths))
    return Tokens(ids, np.zeros_like(ids), np.concatenate([[0], np.cumsum(lengths)]))


@pytest.mark.filterwarnings("ignore")  # of transformers' own, on its rarer encoders
@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("kind", PADDED)
def test_padded_equals_alone(kind: str, pooling: Literal["cls", "mean"], tmp_path: Path) -> None:
    """Long texts beside short ones: windows and relative positions show there."""
    extra, targets = PADDED[kind]
    save_any(tmp_path, kind, **extra)
    bank = Bank(backbone(tmp_path, pooling=pooling), LoraSettings(target_modules=targets), 2)
    assert bank.form == "padded"
    bank.enter(1, seed=5)
    lengths = [60, 4, 33, 7]
    together = logits_of(bank, 1, Packed.of(tokens(lengths), bank))
    for k in range(len(lengths)):
        own = tokens(lengths).take(np.asarray([k]))
        alone = logits_of(bank, 1, Packed.of(own, bank))
        np.testing.assert_allclose(together[k], alone[0], rtol=1e-4, atol=1e-5)
    if pooling == "cls":
        with quiet():
            plain = AutoModelForSequenceClassification.from_pretrained(
                tmp_path, num_labels=CLASSES, attn_implementation="eager"
            ).eval()
        parameters = dict(plain.named_parameters())
        with torch.no_grad():
            for name, tensor in bank.state(1).items():
                if ".lora_" not in name:
                    parameters[name.removeprefix("base_model.model.")].copy_(tensor)
            ids = torch.as_tensor(tokens(lengths).ids[:60])[None]
            theirs = plain(input_ids=ids).logits[0].double().numpy()
        np.testing.assert_allclose(together[0], theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra"])
def test_the_usual_encoders_are_packed(kind: str, tmp_path: Path) -> None:
    own = {
        "roberta": {"pad_token_id": 1},
        "electra": {"embedding_size": 16},
        "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4},
    }
    save_any(tmp_path, kind, **own.get(kind, {}))
    assert Bank(backbone(tmp_path), LoraSettings(), 1).form == "flat"


@pytest.mark.filterwarnings("ignore")  # of transformers' own, on its rarer encoders
@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_words(kind: str, tmp_path: Path) -> None:
    extra, targets = REFUSED[kind]
    save_any(tmp_path, kind, **extra)
    with pytest.raises(BackboneError) as caught:
        Bank(backbone(tmp_path, pooling="cls"), LoraSettings(target_modules=targets), 1)
    assert "BERT" in caught.value.remedy
