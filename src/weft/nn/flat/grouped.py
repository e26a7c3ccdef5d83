"""Low-rank updates of all slots as two grouped products, where a GPU has a kernel for them.

The rows of a run meet its own A and B: torch's `grouped_mm` takes the stacked A (R, r, in) and B
(R, out, r) whole and where each slot's rows end. A slot without rows takes part with none, so the
same few calls serve whatever runs are there; the plain twin is the loop over runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from weft.nn.placing import placed

if TYPE_CHECKING:
    from weft.nn.flat.product import Update
    from weft.nn.flat.rows import Runs

_KERNELS = (9, 10)  # of CUDA's compute capabilities; on others torch loops, and asks the device
_BYTES = 16  # rows of what it multiplies begin at multiples of this


def serves(x: Tensor, runs: Runs, *widths: int) -> bool:
    """Whether torch has a kernel for activations such as these and others of these widths, the
    rows lying in the order of the slots."""
    return (
        x.device.type == "cuda"
        and x.dtype == torch.bfloat16
        and not any(width * x.itemsize % _BYTES for width in (x.shape[-1], *widths))
        and hasattr(F, "grouped_mm")
        and torch.cuda.get_device_capability(x.device)[0] in _KERNELS
        and bool((np.diff(runs.slot) > 0).all())
    )


@dataclass(frozen=True)
class Groups:
    """Where the rows of every slot end."""

    ends: Tensor  # (R,) int32; the last is N: rows of no run go to the last slot, and are not read
    there: Tensor  # (R, 1, 1) whether the slot has rows of a run


def groups_of(runs: Runs, slots: int, rows: int, device: torch.device) -> Groups:
    """Made once a step, then remembered by `runs`."""
    if slots not in runs.groups:
        counts = np.zeros(slots, dtype=np.int64)
        counts[runs.slot] = np.diff(runs.begin)
        ends = np.cumsum(counts)
        ends[-1] = rows
        there = placed((counts > 0)[:, None, None], device)
        runs.groups[slots] = Groups(placed(ends.astype(np.int32), device), there)
    return runs.groups[slots]


def project(y: Tensor, x: Tensor, updates: Sequence[Update], runs: Runs) -> Tensor:
    """Adds the updates to y (N, out), the product of x (N, in) whose rows are the runs'."""
    for column, group in groupby(updates, key=_column):
        same = list(group)  # one layer's: of runs that agree in scaling and dropout, or of some
        a, b = same[0].a, same[0].b
        groups = groups_of(runs, len(a), len(x), x.device)
        low = _grouped(_kept(x, same), _turned(a, groups, x.dtype), groups.ends)  # (N, r)
        high = _grouped(low, _turned(b, groups, x.dtype), groups.ends)  # (N, out)
        factor = _by_row(same, len(x), x.device, [update.scaling for update in same], 0.0)
        high = (high * factor).to(y.dtype)
        y = y + F.pad(high, (column, y.shape[1] - same[0].columns.stop))
    return y


def _column(update: Update) -> int:
    return update.column


def _turned(weight: Tensor, groups: Groups, dtype: torch.dtype) -> Tensor:
    """(R, out, in) -> (R, in, out) in the format of products. A slot without rows counts as zero:
    so its gradient is zero too, whatever the kernel leaves where it has nothing to add up."""
    return torch.where(groups.there, weight, 0).to(dtype).transpose(1, 2)


def _grouped(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    return cast("Tensor", cast("Any", F).grouped_mm(x, weight, offs=ends))


def _kept(x: Tensor, updates: Sequence[Update]) -> Tensor:
    """What dropout leaves of the updates' input."""
    drawn = next((update.keep for update in updates if update.keep is not None), None)
    if drawn is None:
        return x
    keeps = [update.keep for update in updates]
    thresholds = [0 if keep is None else keep.threshold for keep in keeps]
    scales = [1.0 if keep is None else keep.scale for keep in keeps]
    threshold = _by_row(updates, len(x), x.device, thresholds, 0)
    scale = _by_row(updates, len(x), x.device, scales, 1.0)
    return torch.where((drawn.bits.int() & 0xFFFF) >= threshold, (x * scale).to(x.dtype), 0)


def _by_row(
    updates: Sequence[Update],
    rows: int,
    device: torch.device,
    numbers: Sequence[float],
    rest: float,
) -> float | Tensor:
    """A number of each update: one where they agree, else (N, 1), `rest` in rows of none."""
    if len(set(numbers)) == 1:
        return numbers[0]
    column = np.full((rows, 1), rest, dtype=np.float32)
    for update, number in zip(updates, numbers, strict=True):
        assert update.runs is not None, "updates that differ name their runs"
        column[update.runs.begin[0] : update.runs.begin[-1]] = number
    return placed(column, device)
