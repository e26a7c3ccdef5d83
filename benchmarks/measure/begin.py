"""Weft's side of row `start`; imports what `weft study` does, since the start is what is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from measure.pace import SEEDS
from weft.api import Study
from weft.study.presets import resolve


def begin_study(
    data: Path, out: Path, backbone: str, sizes: Sequence[int], first_step: Callable[[], None]
) -> None:
    """The sst2 study as `weft study` runs it; calls `first_step` when the bank has moved once."""
    over = {
        "data": {"folder": str(data)},
        "backbone": {"name": backbone},
        "sizes": list(sizes),
        "seeds": SEEDS,
    }

    def watch(event: object) -> None:
        from weft.training.events import Stepped

        if isinstance(event, Stepped):
            first_step()

    Study.of(resolve("sst2", over), out).run(watch=watch, command="weft study sst2")
