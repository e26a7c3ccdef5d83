"""The runs that train at this moment, a line each: epoch, loss and how it fell."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24
"""Places of a sparkline."""


@dataclass
class _Line:
    """One run."""

    name: str
    steps: int  # that it may take at most
    per_epoch: int
    step: int = 0
    points: deque[float] = field(default_factory=lambda: deque[float](maxlen=_WIDTH))
    """Mean losses of equally many steps each."""
    heap: list[float] = field(default_factory=list[float])
    stride: int = 1
    validation: str = ""

    def add(self, loss: float) -> None:
        """One step's loss; when the line is full, two points become one."""
        self.step += 1
        self.heap.append(loss)
        if len(self.heap) < self.stride:
            return
        self.points.append(sum(self.heap) / len(self.heap))
        self.heap.clear()
        if len(self.points) == _WIDTH:
            old = list(self.points)
            pairs = zip(old[::2], old[1::2], strict=True)
            self.points = deque([(a + b) / 2 for a, b in pairs], maxlen=_WIDTH)
            self.stride *= 2


class Running:
    """A table that Rich draws anew, several times a second."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._lines

    def begin(self, run_id: str, name: str, steps: int, per_epoch: int, step: int) -> None:
        """A run takes a slot.

        Args:
            run_id: its id.
            name: as it is shown.
            steps: that it may take at most.
            per_epoch: steps of one pass over its training set.
            step: that it took before.
        """
        self._lines[run_id] = _Line(name, steps, per_epoch, step)

    def step(self, run_id: str, loss: float) -> None:
        """It took a step."""
        self._lines[run_id].add(loss)

    def judged(self, run_id: str, accuracy: float) -> None:
        """It was validated."""
        if run_id in self._lines:
            self._lines[run_id].validation = f"{accuracy:.1%}"

    def end(self, run_id: str) -> None:
        """It left its slot."""
        self._lines.pop(run_id, None)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._lines:
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
        table.add_column("  run", no_wrap=True)
        table.add_column("epoch", justify="right")
        table.add_column("step", justify="right")
        table.add_column("loss", justify="right")
        table.add_column("", no_wrap=True, width=_WIDTH)
        table.add_column("validation", justify="right")
        for line in self._lines.values():
            table.add_row(
                f"  {line.name}",
                f"{1 + max(line.step - 1, 0) // line.per_epoch}",
                f"{line.step:,}/{line.steps:,}",
                f"{line.points[-1]:.3f}" if line.points else "",
                Text(sparkline(line.points), style="cyan"),
                line.validation,
            )
        yield table


def sparkline(values: deque[float] | list[float]) -> str:
    """A bar for each value, from the lowest to the highest of them."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in values)
