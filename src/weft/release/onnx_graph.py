"""A classifier as an ONNX graph, any number of texts of any length, in float32 or int8.

Written by torch's TorchScript exporter with eager attention: a graph of plain operators, which ONNX
Runtime fuses by itself. In int8 weights are stored, and their products computed, in 8 bits; what is
multiplied with them is scaled as it comes (dynamic quantisation).
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from weft.errors import ConfigError

OPSET = 17
_TOKENS = 7  # of the texts that the graph is traced with; no size is taken over from them


class _Logits(nn.Module):
    """A classifier whose only output is its logits, inputs by place."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Each (B, S) -> (B, C)."""
        return cast("Any", self.model)(**dict(zip(self.names, inputs, strict=True))).logits


def write_graph(model: Any, inputs: Sequence[str], path: Path, *, int8: bool) -> None:
    """Writes the graph; its output is `logits` (B, C).

    Args:
        model: a classifier of transformers' kind, in evaluation mode.
        inputs: their names, each (B, S) of integers.
        path: of the file.

    Raises:
        ConfigError: ONNX's packages are not installed.
    """
    require()
    model.set_attn_implementation("eager")
    ids = torch.arange(5, 5 + 2 * _TOKENS).view(2, _TOKENS)
    mask = torch.ones_like(ids)
    mask[0, _TOKENS - 2 :] = 0
    example = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    axes = {0: "texts", 1: "tokens"}
    with _quiet():
        cast("Any", torch.onnx).export(
            _Logits(model, inputs).eval(),
            tuple(example[name] for name in inputs),
            str(path),
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_axes={**dict.fromkeys(inputs, axes), "logits": {0: "texts"}},
            opset_version=OPSET,
            dynamo=False,
        )
        if int8:
            _quantise(path)


def require() -> None:
    """Refuses to begin without the packages.

    Raises:
        ConfigError: one is missing.
    """
    try:
        import onnx  # noqa: F401  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]
        import onnxruntime  # noqa: F401  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]
    except ImportError as error:
        raise ConfigError(
            "the packages of ONNX are not installed",
            found=str(error),
            remedy='pip install "weft[onnx]"',
        ) from error


def _quantise(path: Path) -> None:
    """Replaces the graph by one with weights of 8 bits, a scale a column."""
    from onnxruntime import quantization  # pyright: ignore[reportMissingTypeStubs]

    tools = cast("Any", quantization)
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        small = Path(place) / path.name
        kind = tools.QuantType.QInt8
        tools.quantize_dynamic(path, small, weight_type=kind, per_channel=True)
        small.replace(path)


@contextmanager
def _quiet() -> Generator[None]:
    """The exporter warns that it is old, the quantiser that the graph is not preprocessed."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
