"""Axes of a chart: from values to places in per cent, and the ticks between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from weft.report.formats import whole

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Tick:
    """A labelled place."""

    at: float  # per cent of the axis
    label: str
    room: int  # 0: always shown; 1: only where the chart is wide


@dataclass(frozen=True)
class Axis:
    """One axis."""

    title: str
    low: float
    high: float
    ticks: tuple[Tick, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value stands, per cent of the axis from its beginning."""
        return _at(value, self.low, self.high, self.log)


def linear(
    title: str,
    values: Iterable[float],
    write: Callable[[float], str],
    *,
    wanted: int = 5,
    least: float | None = None,
    most: float | None = None,
) -> Axis:
    """An axis that holds all values, its ticks at round figures.

    Args:
        title: what it measures, with the unit.
        values: those that must lie on it.
        write: how a tick is written.
        wanted: how many ticks, about.
        least: it begins no lower, e.g. 0 for a share.
        most: it ends no higher.
    """
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.05 * (abs(high) or 1)
    low, high = low - pad, high + pad
    low = low if least is None else max(low, least)
    high = high if most is None else min(high, most)
    if high <= low:
        low, high = low - 0.05, high + 0.05
    step = _step((high - low) / wanted)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    marks = [place * step for place in range(first, last + 1)]
    ticks = tuple(Tick(_at(mark, low, high, log=False), write(mark), 0) for mark in marks)
    return Axis(title, low, high, ticks)


def of_sizes(title: str, sizes: Sequence[int], beyond: Sequence[int] = ()) -> Axis:
    """A logarithmic axis with a tick at each size; labels that would touch are left out.

    Args:
        title: what it measures.
        sizes: those that were run, ascending.
        beyond: further sizes to be named.
    """
    every = sorted({*sizes, *beyond})
    decades = max(math.log10(every[-1] / every[0]), 0.3)
    margin = 10 ** (0.07 * decades)
    low, high = every[0] / margin, every[-1] * margin
    ticks: list[Tick] = []
    shown = {0: -math.inf, 1: -math.inf}
    for size in every:
        at = _at(size, low, high, log=True)
        fits_narrow, fits_wide = at - shown[0] >= 15, at - shown[1] >= 8
        label, room = (whole(size), 0) if fits_narrow else (whole(size) if fits_wide else "", 1)
        if label:
            shown[1] = at
            if room == 0:
                shown[0] = at
        ticks.append(Tick(at, label, room))
    return Axis(title, low, high, tuple(ticks), log=True)


def _at(value: float, low: float, high: float, log: bool) -> float:
    if log:
        value, low, high = math.log10(value), math.log10(low), math.log10(high)
    return round(100 * (value - low) / (high - low), 3)


def _step(least: float) -> float:
    base = 10 ** math.floor(math.log10(least))
    return next(step * base for step in _STEPS if step * base >= least * (1 - 1e-9))
