"""What a chart is made of: series of lines, bands, bars and dots, at places in per cent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from weft.report.page.axes import Axis

Look = Literal["line", "thin", "dotted", "dashed"]
Shape = Literal["dot", "ring", "bar", "mean"]


@dataclass(frozen=True)
class Path:
    """A line, or a filled area, in a square of 100 by 100 that is stretched over the chart."""

    d: str
    look: Look | Literal["area"]


@dataclass(frozen=True)
class Dot:
    """A point that says something when it is pointed at."""

    x: float
    y: float
    shape: Shape
    says: str


@dataclass(frozen=True)
class Bar:
    """An interval, upright."""

    x: float
    low: float
    high: float


@dataclass
class Series:
    """What belongs together: one colour, one entry in the legend."""

    key: str
    """Of its colour and shape: a method, `train`, `validation`, ..."""
    label: str
    paths: list[Path] = field(default_factory=list[Path])
    bars: list[Bar] = field(default_factory=list[Bar])
    dots: list[Dot] = field(default_factory=list[Dot])


@dataclass
class Chart:
    """One chart; `y` runs from the top, as in SVG."""

    says: str
    """What it shows, for those who do not see it."""
    x: Axis
    y: Axis
    series: list[Series] = field(default_factory=list[Series])
    title: str = ""
    rule: tuple[float, str] | None = None
    """A level line across, and its words."""
    diagonal: Path | None = None

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a pair of values stands."""
        return self.x.at(x), round(100 - self.y.at(y), 3)

    def line(self, points: Iterable[tuple[float, float]], look: Look = "line") -> Path:
        """A line through pairs of values."""
        return Path(_through([self.place(*point) for point in points]), look)

    def area(self, low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]]) -> Path:
        """What lies between two lines, each from left to right."""
        every = [self.place(*point) for point in [*low, *reversed(high)]]
        return Path(f"{_through(every)}Z", "area")

    def bar(self, x: float, low: float, high: float) -> Bar:
        """An interval at x."""
        at, bottom = self.place(x, low)
        return Bar(at, bottom, self.place(x, high)[1])

    def dot(self, x: float, y: float, says: str, shape: Shape = "dot") -> Dot:
        """A point."""
        return Dot(*self.place(x, y), shape, says)


def _through(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
