"""Sides take turns, so that whatever slows the machine for a while slows them all."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Side = Callable[[int], float]
"""Measures repeat k and returns its figure: a rate, seconds or bytes."""


@dataclass(frozen=True)
class Measured:
    """The figures of one group of sides; the k-th of each side were taken side by side."""

    figures: dict[str, list[float]]
    notes: dict[str, str] = field(default_factory=dict[str, str])
    """What was found or chosen on the way, by side."""


def alternate(sides: Mapping[str, Side], repeats: int, unit: str) -> dict[str, list[float]]:
    """Figures of every side over `repeats` rounds; each round takes the sides in their order."""
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(repeats):
        for name, side in sides.items():
            gc.collect()  # what one side leaves behind is no cost of the next
            figure = side(repeat)
            figures[name].append(figure)
            print(f"  {repeat + 1}/{repeats} {name}: {figure:,.4g} {unit}", file=sys.stderr)
    return figures
