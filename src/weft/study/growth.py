"""A study's grid grows: its folder speaks of all that was ever asked for. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.config import StudyConfig


def grown(
    before: StudyConfig, now: StudyConfig, sizes_before: Sequence[int], sizes_now: Sequence[int]
) -> dict[str, Any]:
    """Sizes, seeds, methods and axes of both, as an update of the configuration.

    Args:
        sizes_before: what `before.sizes` came to, where it left them open.
        sizes_now: what `now.sizes` came to.
    """
    seeds = max(before.seeds, now.seeds)
    sizes = sorted({*sizes_before, *sizes_now})
    wanted = {
        size: max(
            config.seeds_at.get(size, config.seeds)
            for config, own in ((before, sizes_before), (now, sizes_now))
            if size in own
        )
        for size in sizes
    }
    open_still = before.sizes is None and now.sizes is None
    return {
        "sizes": None if open_still else tuple(sizes),
        "seeds": seeds,
        "seeds_at": {size: own for size, own in wanted.items() if own != seeds and not open_still},
        "methods": _both(before.methods, now.methods),
        "grid": {
            name: _both(before.grid.get(name, ()), now.grid.get(name, ()))
            for name in _both(tuple(before.grid), tuple(now.grid))
        },
    }


def _both(before: tuple[Any, ...], now: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*before, *(value for value in now if value not in before))
