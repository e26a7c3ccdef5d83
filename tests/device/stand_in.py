"""Banks that compute as on a GPU where there is none.

`lined` gives a CPU's bank what a device's has: slots in one line, examples moved once, losses
read late. `blind` puts a bank on torch's meta device, whose numbers nobody can read: whatever
would make a host wait for a GPU (`item`, `nonzero`, a branch on a value) is an error there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.nn.bank import Bank
from weft.nn.line import in_line
from weft.nn.native import library
from weft.nn.verify import Reference
from weft.training import loop, readings, slots

from ..tiny import HIDDEN, backbone, examples


def lined(bank: Bank, patch: pytest.MonkeyPatch, every: int = 1) -> Bank:
    """The same bank with its trained tensors in one line; plain twins compute, as on a GPU."""
    patch.setattr(library, "serves", lambda *_: False)
    patch.setitem(readings.EVERY, "cpu", every)
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in bank.trained.items()}
    dtype = next(iter(bank.trained.values())).dtype
    views, bank.line = in_line(shapes, bank.slots, dtype, bank.device)
    for name, parameter in bank.trained.items():
        parameter.grad = None
        parameter.data, parameter.grad = views[name].detach(), views[name].grad
    return bank


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
