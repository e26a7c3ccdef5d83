"""Banks that compute as on a GPU where there is none.

`as_on_a_device` has a CPU's bank train as a device's: slots moved at once, examples moved once,
losses read late. `blind` puts a bank on torch's meta device, whose numbers nobody can read:
whatever would make a host wait for a GPU (`item`, `nonzero`, a branch on a value) is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.config import Recipe
from weft.nn import bank as bank_
from weft.nn import dropout
from weft.nn.bank import Bank
from weft.nn.flat import padded, rows
from weft.nn.gpu import bits, there
from weft.nn.native import library
from weft.nn.verify import Reference
from weft.training import inference, loop, readings
from weft.training.slots import Job
from weft.training.stacked import Stacked

from ..tiny import HIDDEN, backbone, examples, labels

T = TypeVar("T")


def as_on_a_device(patch: pytest.MonkeyPatch, every: int = 1) -> None:
    """From here on banks on the CPU train as a device's do; plain twins compute."""
    patch.setattr(library, "serves", lambda *_: False)
    patch.setattr(loop, "stacked_of", lambda bank: Stacked(list(bank.trained.values())))
    patch.setitem(readings.EVERY, "cpu", every)
    patch.setattr(padded, "away", lambda _: True)


def as_on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """From here on banks on the CPU, in float32, compute as a GPU's: its kernels in Triton's
    interpreter, bits fixed by their places, slots moved at once."""
    as_on_a_device(patch)
    patch.setattr(there, "serves", lambda x: x.dtype == torch.float32)
    patch.setattr(bits, "serves", lambda x: x.dtype == torch.float32)
    for module in (dropout, rows, bank_, inference):
        patch.setattr(module, "away", lambda _: True)


class Repeated:
    """Stands in for CUDA graphs: makes the same call again, on whatever lies there by then."""

    def __init__(self) -> None:
        self.moved: Callable[[], Sequence[Tensor]] = list
        """What a call changes; recorded, it changes nothing."""
        self.recorded = self.started = 0

    def warm(self, call: Callable[[], T]) -> T:
        """Makes the call."""
        return call()

    def record(self, call: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """What it returns, and what makes it again."""
        self.recorded += 1
        before = [tensor.clone() for tensor in self.moved()]
        result: Any = call()
        with torch.no_grad():
            for tensor, old in zip(self.moved(), before, strict=True):
                tensor.copy_(old)

        def again() -> None:
            self.started += 1
            new: Any = call()
            if result is not None:
                result.copy_(new)

        return result, again


def blind(folder: Path, patch: pytest.MonkeyPatch, slots_: int, **settings: Any) -> Bank:
    """A bank none of whose numbers can be read."""
    form = settings.pop("form", None)
    update = settings.pop("update")
    known = Reference(examples(3), torch.empty(3, HIDDEN), torch.empty(3, 3))
    patch.setattr("weft.nn.bank.reference", lambda *_: known)
    patch.setattr("weft.nn.bank.agree", lambda *_: None)
    patch.setitem(readings.EVERY, "meta", 1 << 30)
    patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    patch.setitem(loop._TOGETHER, "meta", 1 << 20)
    return Bank(backbone(folder, **settings), update, slots_, form, "meta")


def job(size: int, **recipe: Any) -> Job:
    """A run of so many examples, named after them."""
    given = Recipe.model_validate({"learning_rate": 2e-3} | recipe)
    return Job(str(size), size, examples(size, seed=size), labels(size, seed=size), given)


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    """To so much of the largest number."""
    assert ours.shape == theirs.shape
    theirs = theirs.detach().double()
    error = float((ours.detach().double() - theirs).abs().max())
    assert error <= tolerance * max(1e-30, float(theirs.abs().max())), error


def numbers(seed: int, *shape: int) -> Tensor:
    """Made-up numbers, float32."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()
