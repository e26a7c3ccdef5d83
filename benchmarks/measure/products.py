"""Bare matrix products: what the machine's products alone would allow a training step.

Every linear layer of the encoder, each with its own weights: `F.linear` forward and the gradient
for its input backward, on as many rows as the step has real tokens. No bias, adapter, attention,
norm, dropout, packing, optimiser or head. Each number of rows is computed once before the clock
runs, so that none of the time goes to preparing kernels for a new shape.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
import transformers

from measure.pace import BATCH, Pace
from weft.data.examples import Examples


class Products:
    """The linear layers of one encoder.

    Args:
        folder: of the encoder.
        dtype: of weights, inputs and gradients.
        runs: whose batches are computed together.
    """

    def __init__(self, folder: Path, dtype: torch.dtype, runs: int, pace: Pace) -> None:
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
        layers = [m for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)]
        self._weights = [layer.weight.detach().to(dtype) for layer in layers]  # each (out, in)
        self._runs, self._pace, self._dtype = runs, pace, dtype

    def rate(self, examples: Examples, repeat: int) -> float:
        """Examples per second, all runs together."""
        encoded = self._tokenizer(list(examples.texts), truncation=True)["input_ids"]
        lengths = np.array([len(ids) for ids in encoded])
        tokens = self._tokens(lengths, repeat)[-self._pace.steps :]
        widths = {width for weight in self._weights for width in weight.shape}
        generator = torch.Generator().manual_seed(repeat)
        rows = {
            width: torch.randn(max(tokens), width, generator=generator).to(self._dtype)
            for width in widths
        }
        with torch.inference_mode():
            for count in set(tokens):
                self._step(rows, count)
            begin = time.perf_counter()
            for count in tokens:
                self._step(rows, count)
            seconds = time.perf_counter() - begin
        return len(tokens) * self._runs * BATCH / seconds

    def _tokens(self, lengths: np.ndarray, repeat: int) -> list[int]:
        """Real tokens of each step: every run takes batches of its own of the same examples."""
        rng = np.random.default_rng(repeat)
        batches = [rng.permutation(lengths).reshape(-1, BATCH).sum(1) for _ in range(self._runs)]
        return np.sum(batches, axis=0).tolist()

    def _step(self, rows: dict[int, torch.Tensor], count: int) -> None:
        """All products of one step over `count` tokens; rows: (T or more, width) by width."""
        for weight in self._weights:
            F.linear(rows[weight.shape[1]][:count], weight)
        for weight in reversed(self._weights):
            rows[weight.shape[0]][:count] @ weight
