"""How far one run of a known length is, a line a tenth, where no terminal shows it live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from weft.cli.progress import Progress
from weft.study.notices import Begun

if TYPE_CHECKING:
    from weft.training.events import Stepped


class Tenths:
    """Passes events on, and says every tenth of the steps."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._steps = self._taken = 0
        self._began: float | None = None

    def __call__(self, event: object) -> None:
        """Takes note of one event."""
        from weft.training.events import Stepped

        self._progress(event)
        match event:
            case Begun():
                self._steps, self._taken = sum(event.last.values()), sum(event.steps.values())
            case Stepped():
                self._step(event)
            case _:
                pass

    def _step(self, event: Stepped) -> None:
        if self._began is None:
            self._began = time.perf_counter()  # what came before was loading
        before = self._taken * 10 // self._steps
        self._taken += 1
        if self._taken * 10 // self._steps == before:
            return
        losses = list(event.losses.values())
        loss = f"  loss {sum(losses) / len(losses):.3f}" if losses else ""
        seconds = time.perf_counter() - self._began
        self._progress.say(f"  step {self._taken:,} of {self._steps:,}{loss}  {seconds:.0f} s")
