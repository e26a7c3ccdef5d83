"""Row j's peer: ONNX Runtime, with whatever makes it fastest on this machine.

The merged model is exported by torch's TorchScript exporter with eager attention, which is the
graph that ONNX Runtime's optimiser for transformers knows. Tried are that graph as it is (the
session's own fusions on) and after the optimiser (attention, embeddings, GELU and norms fused),
each in float32 and with weights quantised to int8 (`quantize_dynamic`), each with length-sorted
batches of 32 and of 128. The fastest whose labels agree with float32's as well as weft's do, less
0.2 points, is ONNX Runtime's best. As many threads as torch has; no cache of results.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from scipy.special import softmax

from measure.batches import Predict, agreement, sorted_batches
from measure.pace import CLASSES

INPUTS = ("input_ids", "attention_mask")
BATCHES = (32, 128)
SLACK = 0.002  # of agreement
TRIALS = 2  # of each candidate
OPSET = 17


@dataclass(frozen=True)
class Candidate:
    """One way to run the model, and how it did in the trial."""

    name: str
    predict: Predict
    rate: float
    """Texts per second."""
    agreement: float | None
    """Share of float32's labels; None where labels mean nothing."""


def fastest(candidates: Sequence[Candidate], ours: float | None) -> Candidate:
    """The fastest of those that agree with float32 as well as ours, less the slack."""
    fit = [
        c
        for c in candidates
        if ours is None or (c.agreement is not None and c.agreement >= ours - SLACK)
    ]
    assert fit, "float32 agrees with itself"
    return max(fit, key=lambda candidate: candidate.rate)


def candidates(
    model: Path, folder: Path, texts: Sequence[str], labels: NDArray[np.int64] | None, warmup: int
) -> list[Candidate]:
    """Every graph with every batch size, tried on the same texts.

    Args:
        model: the merged model's folder.
        folder: where the graphs go.
        labels: those of float32 for these texts.
        warmup: texts predicted before the clock runs.
    """
    folder.mkdir()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    found: list[Candidate] = []
    for name, path in graphs(model, folder).items():
        session = _session(path)
        for size in BATCHES:
            predict = Predictor(session, tokenizer, size)
            predict(texts[:warmup])
            seconds: list[float] = []
            for _ in range(TRIALS):
                begin = time.perf_counter()
                given = predict(texts)
                seconds.append(time.perf_counter() - begin)
            rate = len(texts) / min(seconds)  # the rest of the machine can only slow it
            agrees = None if labels is None else agreement(given, labels)
            found.append(Candidate(f"{name}, batches of {size}", predict, rate, agrees))
    return found


class Predictor:
    """A session over texts sorted by length."""

    def __init__(self, session: Any, tokenizer: Any, size: int) -> None:
        self._session, self._tokenizer, self._size = session, tokenizer, size

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(B, C) probabilities in the order of the texts."""
        rows = np.empty((len(texts), CLASSES), dtype=np.float32)
        for index, inputs in sorted_batches(self._tokenizer, texts, self._size):
            rows[index] = self._session.run(None, inputs)[0]
        return softmax(rows, axis=1)


def graphs(model: Path, folder: Path) -> dict[str, Path]:
    """The model as ONNX graphs: as exported and fused, each in float32 and in int8."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model

    plain, fused = folder / "plain.onnx", folder / "fused.onnx"
    with _quiet():
        config = _export(model, plain)
        optimised = optimize_model(
            str(plain),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            opt_level=0,
        )
        optimised.save_model_to_file(str(fused))
        found = {"float32": plain, "fused float32": fused}
        for name, path in (("int8", plain), ("fused int8", fused)):
            found[name] = path.with_name(f"{path.stem}-int8.onnx")
            # shapes and types cannot be inferred behind the fused nodes
            types = {"DefaultTensorType": TensorProto.FLOAT}
            quantize_dynamic(path, found[name], weight_type=QuantType.QInt8, extra_options=types)
    return found


class _Logits(torch.nn.Module):
    """A classifier whose only output is its logits."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Both (B, S) -> (B, C)."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def _export(folder: Path, path: Path) -> Any:
    """Writes the graph, any number of texts and tokens wide; returns the model's configuration."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    ids = torch.tensor([[101, 2023, 102, 0], [101, 2023, 2023, 102]])
    axes = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        _Logits(model).eval(),
        (ids, (ids > 0).long()),
        str(path),
        input_names=list(INPUTS),
        output_names=["logits"],
        dynamic_axes={**dict.fromkeys(INPUTS, axes), "logits": {0: "texts"}},
        opset_version=OPSET,
        dynamo=False,
    )
    return model.config


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns that it is old, the quantiser that the model is not preprocessed."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
