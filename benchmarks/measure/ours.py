"""Weft's side of every row but `start` (see `begin.py`): all use of its interfaces is here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from measure.pace import CLASSES, SEEDS, Pace
from weft.classifier import Classifier
from weft.config import BackboneSettings, BankSettings, LoraSettings, Recipe
from weft.data.examples import Examples
from weft.nn.backbone import load
from weft.nn.bank import Bank
from weft.nn.source import find
from weft.study.presets import SST2
from weft.text.tokens import tokenize
from weft.training.events import RunFailed, Stepped
from weft.training.inference import Packed
from weft.training.loop import Judges, train
from weft.training.slots import Job


class Training:
    """A bank of R runs, each of which takes its own batches of 32 of the same examples.

    The clock runs from the end of the last warm-up step to the end of the last step, over all that
    the loop does: packing, forward, backward, clipping, optimiser, schedule, bookkeeping.

    Args:
        backbone: `minilm` or a folder.
        precision: of the frozen products.
        slots: R.
    """

    def __init__(self, backbone: str, precision: str, slots: int, pace: Pace) -> None:
        settings = BackboneSettings.model_validate(
            {"name": backbone, "pooling": "cls", "precision": precision}
        )
        loaded = load(find(settings), settings, CLASSES)
        self._tokenizer, self._max_length = loaded.tokenizer, loaded.max_length
        self._bank = Bank(loaded, LoraSettings.model_validate(SST2["lora"]), slots)
        self._pace = pace

    def rate(self, examples: Examples, repeat: int) -> float:
        """Examples per second, summed over the runs.

        Args:
            examples: as many as warm-up and timed steps take.
            repeat: decides initial weights, batches and dropout.
        """
        tokens = tokenize(self._tokenizer, examples.texts, None, self._max_length)
        recipe = Recipe.model_validate({**SST2["recipe"], "epochs": 1})
        slots = self._bank.slots
        jobs = [
            Job(f"run-{slot}", repeat * slots + slot, tokens, examples.labels, recipe)
            for slot in range(slots)
        ]
        few = np.arange(4)
        packed = Packed.of(tokens.take(few), self._bank)
        judges = Judges(packed, examples.labels[few], packed)
        steps: list[tuple[float, int]] = []
        for event in train(self._bank, jobs, judges, BankSettings(slots=slots)):
            if isinstance(event, RunFailed):
                raise RuntimeError(f"{event.run_id}: {event.reason}")
            if isinstance(event, Stepped):
                steps.append((time.perf_counter(), event.examples))
        timed = steps[self._pace.warmup :]
        begin = steps[self._pace.warmup - 1][0]
        assert len(timed) == self._pace.steps
        return sum(examples for _, examples in timed) / (timed[-1][0] - begin)

    @property
    def adapter_bytes(self) -> int:
        """What the runs themselves occupy: weights, gradients and AdamW's two moments."""
        return 4 * sum(p.numel() * p.element_size() for p in self._bank.trained.values())


class Prediction:
    """A trained adapter, saved and loaded again, from texts to probabilities."""

    def __init__(self, backbone: str, examples: Examples, folder: Path) -> None:
        settings = {
            "backbone": {"pooling": "cls", "precision": "bf16"},
            "lora": SST2["lora"],
            "recipe": {**SST2["recipe"], "epochs": 1},
        }
        trained = Classifier(backbone=backbone, settings=settings)
        trained.fit(examples.texts, examples.labels.tolist()).save_pretrained(folder)
        self._model = Classifier.load(folder)

    def probabilities(self, texts: tuple[str, ...]) -> np.ndarray:
        """(B, C), in the order of the texts; as the adapter gives them, as the peers' are."""
        return self._model.predict_proba(texts, calibrated=False)


def study_command(data: Path, sizes: Sequence[int], epochs: int, out: Path) -> list[str]:
    """The words of the whole sst2 study on MiniLM; a patience of all epochs stops nothing early."""
    return [
        *("study", "sst2", "--backbone", "minilm", "--data", str(data), "--methods", "lora"),
        *("--sizes", ",".join(map(str, sizes)), "--seeds", str(SEEDS)),
        *("--epochs", str(epochs), "--patience", str(epochs), "--out", str(out), "--quiet"),
    ]
