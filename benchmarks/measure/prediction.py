"""Rows i and j: from texts to probabilities, tokenising included on every side.

All sides hold one and the same adapter, trained by weft: weft loads its folder, the others a model
into which PEFT merged it. The random encoder's labels mean nothing, so that its rows compare speed
alone; MiniLM's are held against those of plain float32 torch over the same texts.

- *pipeline*: `transformers.pipeline("text-classification", batch_size=32)` as it comes.
- *bf16*: the same model in bfloat16, texts sorted by length, batches of 32, inference mode.
- *onnx*: see `onnx_runtime.py`.

Slow sides predict the first texts only; each figure is a rate.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from peft import PeftModel

from measure import ours
from measure.batches import Predict, agreement, sorted_batches
from measure.bench import Bench
from measure.onnx_runtime import Candidate, candidates, fastest
from measure.pace import BATCH, CLASSES, part
from measure.pairing import Measured, Side, alternate
from measure.peers import quiet

TEXTS = {
    "minilm": {"weft": 20_000, "pipeline": 2_000, "bf16": 6_000, "onnx": 20_000, "trial": 20_000},
    "bert": {"weft": 20_000, "pipeline": 640, "bf16": 2_000, "onnx": 2_000, "trial": 640},
}
"""How many texts a side predicts; `trial` are those that choose ONNX Runtime's best."""
WARMUP = 64  # texts before the clock runs


def measure(bench: Bench, backbone: str, wanted: Collection[str]) -> Measured:
    """Texts per second of the wanted sides of one backbone."""
    quiet()
    adapter, merged = bench.scratch / f"adapter-{backbone}", bench.scratch / f"merged-{backbone}"
    adapter.mkdir()
    learned = part(bench.training, bench.pace.learned, 0)
    # a random encoder learns nothing, and slowly
    learned = learned if backbone == "minilm" else part(learned, 64, 0)
    weft = ours.Prediction(bench.weft_name(backbone), learned, adapter)
    merge(bench.folder(backbone), adapter, merged)

    trial = bench.unseen[: TEXTS[backbone]["trial"]]
    labels = Sorted(merged, torch.float32)(trial).argmax(1) if backbone == "minilm" else None
    predict: dict[str, Predict] = {"weft": weft.probabilities}
    notes: dict[str, str] = {}
    if "pipeline" in wanted:
        predict["pipeline"] = pipeline(merged)
    if "bf16" in wanted:
        predict["bf16"] = Sorted(merged, torch.bfloat16)
    least: float | None = None
    if labels is not None:
        shares = {k: agreement(predict[k](trial), labels) for k in ("weft", "bf16") if k in predict}
        notes |= {k: f"{k} gives {100 * v:.2f} % of float32's labels" for k, v in shares.items()}
        least = shares["weft"]
    if "onnx" in wanted:
        found = candidates(merged, bench.scratch / f"onnx-{backbone}", trial, labels, WARMUP)
        best = fastest(found, least)
        predict["onnx"], notes["onnx"] = best.predict, words(best, found)
    sides = {name: _side(predict[name], bench.unseen[: TEXTS[backbone][name]]) for name in predict}
    return Measured(alternate(sides, bench.repeats, "texts/s"), notes)


def _side(predict: Predict, texts: Sequence[str]) -> Side:
    def rate(_: int) -> float:
        predict(texts[:WARMUP])
        begin = time.perf_counter()
        given = predict(texts)
        seconds = time.perf_counter() - begin
        assert len(given) == len(texts)
        return len(texts) / seconds

    return rate


def words(best: Candidate, found: Sequence[Candidate]) -> str:
    """What was tried of ONNX Runtime, and what was taken."""
    tried = ", ".join(
        f"{c.name} {c.rate:,.0f}/s"
        + ("" if c.agreement is None else f" at {100 * c.agreement:.2f} %")
        for c in found
    )
    return f"ONNX Runtime's best is {best.name}, of {tried}"


# --- the peers ----------------------------------------------------------------------------------


def merge(encoder: Path, adapter: Path, merged: Path) -> None:
    """PEFT merges the adapter that weft saved into a model of transformers'."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        encoder, num_labels=CLASSES
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
        peft_model = PeftModel.from_pretrained(model, adapter)
    peft_model.merge_and_unload().save_pretrained(merged)
    transformers.AutoTokenizer.from_pretrained(encoder).save_pretrained(merged)


def pipeline(folder: Path) -> Predict:
    """transformers' pipeline as it comes, but for the batches."""
    classify = transformers.pipeline("text-classification", model=str(folder), batch_size=BATCH)
    names = classify.model.config.label2id

    def predict(texts: Sequence[str]) -> NDArray[np.float64]:
        rows = np.empty((len(texts), CLASSES))
        for row, said in zip(rows, classify(list(texts)), strict=True):
            row[:] = 1 - said["score"]  # it gives the likelier of two classes
            row[names[said["label"]]] = said["score"]
        return rows

    return predict


class Sorted:
    """The merged model in a number format of choice, over texts sorted by length."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32
        )
        self._model = model.to(dtype).eval()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(B, C) probabilities in the order of the texts."""
        rows = np.empty((len(texts), CLASSES), dtype=np.float32)
        with torch.inference_mode():
            for index, inputs in sorted_batches(self._tokenizer, texts, BATCH):
                logits = self._model(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits
                rows[index] = logits.float().softmax(-1).numpy()
        return rows
