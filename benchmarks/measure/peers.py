"""The training peers: transformers' Trainer with PEFT, as its users run it and at its best.

`peer.py` has the recipe, which all of them share: LoRA r=8, alpha=16, dropout 0.1 on query and
value, AdamW at 5e-4 with linear decay, gradient norm clipped at 1, batches of 32.

- *dynamic*: `DataCollatorWithPadding`, each batch padded to its longest text; bfloat16 by torch's
  autocast on the CPU. What the documentation of transformers advises.
- *grouped*: the same, with `train_sampling_strategy="group_by_length"`: stretches of 50 batches are
  sorted by length, so that little is padded. Its best ordinary setting. Steps of a stretch go from
  long texts to short ones, so a whole stretch is timed.
- *dynamic-float32*: the first without autocast, with products in full float32.
- *notebook*: the published notebook's recipe as written: every text padded to 512 tokens, float32,
  and a further forward pass of each batch for the training metrics. A batch is taken in parts of
  16 whose gradients are summed: of 32 it holds more than 24 GB.

Worker processes for the data loader are left out: the cores are busy, and collating is cheap.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from datasets import Dataset

from measure.bench import Bench
from measure.pace import BATCH, Pace
from peer import Precision, arguments, classifier
from weft.data.examples import Examples

Kind = Literal["dynamic", "grouped", "dynamic-float32", "notebook"]
GROUPED = {"train_sampling_strategy": "group_by_length"}
NOTHING_BESIDE = {
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": False,
}
IN_PARTS = {"per_device_train_batch_size": BATCH // 2, "gradient_accumulation_steps": 2}


class Training:
    """One run by Trainer; its clock runs from the end of the last warm-up step to the end of the
    last step."""

    def __init__(self, folder: Path, kind: Kind, pace: Pace) -> None:
        self._folder, self._kind = folder, kind
        self.warmup, self.steps = pace.warmup, pace.steps
        if kind == "grouped":
            self.steps = pace.cycle
        if kind == "notebook":  # one step takes a minute or more
            self.warmup, self.steps = 1, 1
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        widen = {"padding": "max_length", "max_length": pace.padded_to}
        self._collator = transformers.DataCollatorWithPadding(
            self._tokenizer, **(widen if kind == "notebook" else {})
        )

    def rate(self, examples: Examples, repeat: int) -> float:
        """Examples per second.

        Args:
            examples: as many as warm-up and timed steps take; for grouped batches many more, since
                grouping needs a choice.
            repeat: decides initial weights, batches and dropout.
        """
        quiet()
        transformers.set_seed(repeat)
        precision: Precision = "bf16" if self._kind in ("dynamic", "grouped") else "float32"
        torch.set_float32_matmul_precision("highest")
        clock = Clock()
        kind = NotebookTrainer if self._kind == "notebook" else transformers.Trainer
        with tempfile.TemporaryDirectory(prefix="speed-peer-") as folder:
            trainer = kind(
                model=classifier(self._folder),
                args=arguments(
                    folder,
                    repeat,
                    precision,
                    max_steps=self.warmup + self.steps,
                    **NOTHING_BESIDE,
                    **(GROUPED if self._kind == "grouped" else {}),
                    **(IN_PARTS if self._kind == "notebook" else {}),
                ),
                train_dataset=dataset(examples, self._tokenizer),
                processing_class=self._tokenizer,
                data_collator=self._collator,
                callbacks=[clock],
            )
            trainer.remove_callback(transformers.PrinterCallback)
            trainer.train()
        return self.steps * BATCH / (clock.ends[-1] - clock.ends[self.warmup - 1])


class NotebookTrainer(transformers.Trainer):
    """Computes each batch once more, as the notebook does for its training metrics."""

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Any], *rest: Any) -> Any:
        """Trainer's own step and a forward pass."""
        loss = super().training_step(model, inputs, *rest)
        with torch.no_grad():
            model(**self._prepare_inputs(inputs))
        return loss


class Clock(transformers.TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Called by Trainer after optimiser and schedule."""
        self.ends.append(time.perf_counter())


def study_run(
    folder: Path,
    train: Examples,
    validation: Examples,
    seed: int,
    epochs: int,
    **changes: Any,
) -> float:
    """Seconds of one training of the whole study: length-grouped bfloat16 batches, validation and
    a checkpoint each epoch, no early stopping; loading, tokenising and testing are not counted.

    Args:
        changes: to `peer.arguments`, such as the device.
    """
    quiet()
    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with tempfile.TemporaryDirectory(prefix="speed-peer-") as out:
        trainer = transformers.Trainer(
            model=classifier(folder),
            args=arguments(out, seed, "bf16", **{"num_train_epochs": epochs, **GROUPED, **changes}),
            train_dataset=dataset(train, tokenizer),
            eval_dataset=dataset(validation, tokenizer),
            processing_class=tokenizer,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        begin = time.perf_counter()
        trainer.train()
        return time.perf_counter() - begin


def study(bench: Bench, folder: Path, sizes: Sequence[int], **changes: Any) -> dict[int, float]:
    """Seconds of one training of the whole study, by size.

    Of sizes that the peer does not train they are what the examples more would have taken at the
    pace between the two largest that it does; start, validations and checkpoints are the same.
    """
    found: dict[int, float] = {}
    for size in bench.peer_sizes:
        examples, validation = bench.splits.train(size, 0), bench.splits.validation
        found[size] = study_run(folder, examples, validation, 0, bench.pace.epochs, **changes)
        print(f"  peer, {size:,} examples: {found[size]:,.1f} s", file=sys.stderr)
    for size in _paced(bench, sizes):
        low, high = sorted(bench.peer_sizes)[-2:]
        found[size] = found[high] + (found[high] - found[low]) / (high - low) * (size - high)
    return found


def told(bench: Bench, sizes: Sequence[int]) -> str:
    """Which seconds of `study` are taken by pace, in words; empty: none."""
    paced = ", ".join(f"{size:,}" for size in _paced(bench, sizes))
    return paced and f", at {paced} by the pace between the others"


def _paced(bench: Bench, sizes: Sequence[int]) -> list[int]:
    return sorted(set(sizes) - set(bench.peer_sizes))


def dataset(examples: Examples, tokenizer: Any) -> Dataset:
    """Examples as Trainer takes them; padding is left to the collator."""
    encoded = tokenizer(list(examples.texts), truncation=True)
    return Dataset.from_dict({**encoded, "labels": examples.labels.tolist()})


def quiet() -> None:
    """No bars, and no report that a classifier's head is new."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
