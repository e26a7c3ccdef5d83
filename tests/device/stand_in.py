"""Banks that compute as on a GPU where there is none.

`as_on_a_device` has a CPU's bank train as a device's: slots moved at once, examples moved once,
losses read late. `blind` puts a bank on torch's meta device, whose numbers nobody can read:
whatever would make a host wait for a GPU (`item`, `nonzero`, a branch on a value) is an error.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.nn.bank import Bank
from weft.nn.flat import padded
from weft.nn.native import library
from weft.nn.verify import Reference
from weft.training import loop, readings, slots
from weft.training.stacked import Stacked

from ..tiny import HIDDEN, backbone, examples


def as_on_a_device(patch: pytest.MonkeyPatch, every: int = 1) -> None:
    """From here on banks on the CPU train as a device's do; plain twins compute."""
    patch.setattr(library, "serves", lambda *_: False)
    patch.setattr(loop, "stacked_of", lambda bank: Stacked(list(bank.trained.values())))
    patch.setitem(readings.EVERY, "cpu", every)
    patch.setattr(padded, "breaks_late", lambda _: True)


class Unknown:
    """Random bits of the meta device."""

    def __init__(self, *given: Any) -> None:
        assert given[-1].type == "meta"

    def draw_into(self, target: Tensor) -> None:
        """Draws none."""
        target.zero_()


def blind(folder: Path, patch: pytest.MonkeyPatch, slots_: int, **settings: Any) -> Bank:
    """A bank none of whose numbers can be read."""
    form = settings.pop("form", None)
    update = settings.pop("update")
    known = Reference(examples(3), torch.empty(3, HIDDEN), torch.empty(3, 3))
    patch.setattr("weft.nn.bank.reference", lambda *_: known)
    patch.setattr("weft.nn.bank.agree", lambda *_: None)
    patch.setattr("weft.nn.bank.Stream", Unknown)
    patch.setattr(slots, "Stream", Unknown)
    patch.setitem(readings.EVERY, "meta", 1 << 30)
    patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    patch.setitem(loop._TOGETHER, "meta", 1 << 20)
    return Bank(backbone(folder, **settings), update, slots_, form, "meta")


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    """To so much of the largest number."""
    assert ours.shape == theirs.shape
    theirs = theirs.detach().double()
    error = float((ours.detach().double() - theirs).abs().max())
    assert error <= tolerance * max(1e-30, float(theirs.abs().max())), error


def numbers(seed: int, *shape: int) -> Tensor:
    """Made-up numbers, float32."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()
