"""Tiny random encoders with tokenizers, saved as any checkpoint is, and banks over them."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    BertTokenizerFast,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    RobertaConfig,
    RobertaTokenizerFast,
)
from transformers.utils import logging

from weft.config import BackboneSettings, LoraSettings
from weft.nn.backbone import Backbone, load
from weft.nn.bank import Bank
from weft.nn.shapes import Update
from weft.nn.source import find
from weft.text.packing import Form
from weft.text.tokens import Tokens
from weft.training.inference import Packed
from weft.training.slots import Judges

Checkpoint = Callable[..., Path]
KINDS = ("bert", "roberta", "distilbert", "electra")
TARGETS = {  # the projections of query and value
    "bert": ("query", "value"),
    "roberta": ("query", "value"),
    "distilbert": ("q_lin", "v_lin"),
    "electra": ("query", "value"),
}

HIDDEN, HEADS, CLASSES = 32, 4, 3
FORM: Form | None = None  # of the banks below; None: the encoder's best
_WORDS = [
    *("the", "a", "film", "plot", "actor", "was", "is", "not", "very", "good", "bad", "dull"),
    *("kind", "slow", "bright", "loved", "hated", "it", "and", "but", "never", "always", "story"),
    *("scene", "ending", "music", "too", "long", "short", "really", "quite"),
]
_ROUGH = 0.2  # spread of the weights: attention far from uniform, so that its faults show


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator stands at `seed` inside and as it was outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' bars and its report on fresh heads out of the tests' output, and lets
    PEFT use what transformers deprecates."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def config_of(kind: str, *, dropout: float = 0.1, **extra: Any) -> PretrainedConfig:
    """A configuration of 2 layers, 4 heads and 32 hidden units."""
    if kind == "distilbert":
        return DistilBertConfig(
            vocab_size=80, dim=HIDDEN, n_layers=2, n_heads=HEADS, hidden_dim=64,
            max_position_embeddings=300, initializer_range=_ROUGH, dropout=dropout,
            attention_dropout=dropout, seq_classif_dropout=dropout, **extra,
        )  # fmt: skip
    known: dict[str, Any] = {
        "vocab_size": 80,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "intermediate_size": 64,
        "max_position_embeddings": 300,
        "initializer_range": _ROUGH,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    if kind == "roberta":
        known |= {"type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        return RobertaConfig(**(known | extra))
    if kind == "electra":
        known |= {"embedding_size": 16}  # another width than the layers', as real ones have
        return ElectraConfig(**(known | extra))
    return BertConfig(**(known | extra))


def save(
    folder: Path,
    kind: str,
    *,
    seed: int = 0,
    classifier: bool = False,
    mean: bool = False,
    **extra: Any,
) -> Path:
    """Writes a random checkpoint of `kind` with its tokenizer, as save_pretrained does.

    Args:
        classifier: with its classification head; else the bare encoder, as most checkpoints are.
        mean: with sentence-transformers' card, which asks for mean pooling.
    """
    config = config_of(kind, **extra)
    if classifier:
        config.num_labels = CLASSES
    with seeded(seed):
        make = AutoModelForSequenceClassification if classifier else AutoModel
        model = make.from_config(config)
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):  # transformers begins with zeros, trained ones have none
                nn.init.normal_(parameter, std=_ROUGH)
    with quiet():
        model.save_pretrained(folder)
    tokenizer_of(kind).save_pretrained(folder)
    if mean:
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(
            json.dumps({"pooling_mode_mean_tokens": True})
        )
    return folder


def without(folder: Path, part: str) -> Path:
    """Takes the weights whose name holds `part` out of a checkpoint."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    kept = {name: tensor for name, tensor in tensors.items() if part not in name}
    assert len(kept) < len(tensors)
    save_file(kept, path, metadata={"format": "pt"})
    return folder


def tokenizer_of(kind: str) -> Any:
    """A fast tokenizer: byte-level BPE for RoBERTa, WordPiece for the others."""
    if kind == "roberta":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        letters = [c for c in alphabet if c.isascii() and (c.islower() or c in ",.!?")] + ["Ġ"]
        vocabulary = {
            w: k for k, w in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters])
        }
        merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("n", "o"), ("no", "t"), ("Ġ", "not")]
        for left, right in merges:
            vocabulary[left + right] = len(vocabulary)
        return RobertaTokenizerFast(vocab=vocabulary, merges=merges)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *_WORDS, *[f"##{c}" for c in "aeiouslnrtd"], *"aeiouslnrtd,.!?"]
    vocabulary = {piece: k for k, piece in enumerate(dict.fromkeys(pieces))}
    return BertTokenizerFast(vocab=vocabulary)


def texts(count: int, seed: int = 0, longest: int = 18) -> list[str]:
    """Made-up texts of 1 to `longest` words."""
    random = np.random.default_rng(seed)
    return [
        " ".join(random.choice(_WORDS, size=int(random.integers(1, longest + 1))))
        for _ in range(count)
    ]


def examples(
    count: int, seed: int = 0, *, low: int = 3, high: int = 24, pairs: bool = False
) -> Tokens:
    """Made-up examples of `low` to `high` tokens; with `pairs` the last part has token type 1."""
    random = np.random.default_rng(seed)
    lengths = random.integers(low, high + 1, size=count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    types = np.zeros(offsets[-1], dtype=np.int64)
    if pairs:
        for begin, end in itertools.pairwise(offsets):
            types[random.integers(begin + 1, end) : end] = 1
    return Tokens(random.integers(5, 70, size=offsets[-1]), types, offsets)


def labels(count: int, seed: int = 0, classes: int = CLASSES) -> np.ndarray:
    """Made-up labels."""
    return np.random.default_rng([seed, 1]).integers(0, classes, size=count)


def backbone(
    folder: Path, precision: str = "float32", classes: int = CLASSES, **settings: Any
) -> Backbone:
    """A checkpoint as weft loads it."""
    chosen = BackboneSettings.model_validate(
        {"name": str(folder), "precision": precision, **settings}
    )
    return load(find(chosen), chosen, classes)


def bank(
    folder: Path,
    slots: int = 1,
    precision: str = "float32",
    lora_dropout: float = 0.1,
    targets: Sequence[str] | None = None,
    update: Update | None = None,
    **settings: Any,
) -> Bank:
    """A bank over a checkpoint; where no update is named, LoRA's of rank 4 and alpha 6."""
    lora = LoraSettings(
        r=4,
        lora_alpha=6,
        lora_dropout=lora_dropout,
        target_modules=tuple(targets) if targets else None,
    )
    return Bank(backbone(folder, precision, **settings), update or lora, slots, FORM)


def judges(bank: Bank) -> Judges:
    """A validation and a test set."""
    validation, test = examples(20, seed=90), examples(15, seed=91)
    return Judges(Packed.of(validation, bank), labels(20, seed=90), Packed.of(test, bank))


def stir(bank: Bank, slot: int, seed: int) -> dict[str, Tensor]:
    """Gives a slot random weights, none of them zero, and returns copies of them.

    A fresh run's B is zero, which would hide every fault behind it.
    """
    generator = torch.Generator().manual_seed(seed)
    state = bank.state(slot)
    for tensor in state.values():
        random = torch.randn(tensor.shape, generator=generator, dtype=torch.float64) * _ROUGH
        tensor.copy_(random)
    return {name: tensor.clone() for name, tensor in state.items()}


def gradients(bank: Bank, slot: int) -> dict[str, Tensor]:
    """Copies of a slot's gradients, by the names of `Bank.state`."""
    return {name: p.grad[slot].clone() for name, p in bank.trained.items() if p.grad is not None}


def clear(bank: Bank) -> None:
    """Sets all gradients to zero, where they are."""
    for parameter in bank.trained.values():
        assert parameter.grad is not None
        parameter.grad.zero_()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """checkpoint(kind, **as `save`): the folder of a checkpoint, made once and never changed."""
    made: dict[str, Path] = {}

    def give(kind: str, **extra: Any) -> Path:
        key = repr((kind, sorted(extra.items())))
        if key not in made:
            made[key] = save(tmp_path_factory.mktemp(kind), kind, **extra)
        return made[key]

    return give


_ANY: dict[str, Any] = {
    "vocab_size": 80,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 300,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
}


def save_any(folder: Path, kind: str, **own: Any) -> Path:
    """A tiny random checkpoint of any kind that transformers has, with settings of its own."""
    config = AutoConfig.for_model(kind, **(_ANY | own))
    config.num_labels = CLASSES
    # a head with more than linear layers cannot come without weights
    make = AutoModelForSequenceClassification if kind == "modernbert" else AutoModel
    with seeded(0), quiet():
        make.from_config(config).save_pretrained(folder)
    tokenizer_of("bert").save_pretrained(folder)
    return folder
