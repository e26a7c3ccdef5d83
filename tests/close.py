"""How close is equal: the one table of tolerances for parity."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
"""Largest difference allowed, as a share of the tensor's largest value."""


def assert_close(ours: Tensor, theirs: Tensor, what: str = "") -> None:
    """Equal to the table's tolerance for the number format of `theirs`."""
    assert ours.shape == theirs.shape, f"{what}: {tuple(ours.shape)} is not {tuple(theirs.shape)}"
    largest = theirs.abs().max().item()
    difference = (ours.double() - theirs.double()).abs().max().item()
    allowed = TOLERANCE[theirs.dtype] * largest
    assert difference <= allowed, f"{what}: {difference:.3g} apart, {allowed:.3g} allowed"


def assert_all_close(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """The same names, and each tensor close."""
    assert ours.keys() == theirs.keys(), sorted(ours.keys() ^ theirs.keys())
    for name, tensor in theirs.items():
        assert_close(ours[name], tensor, name)
