"""Test accuracy against training size: intervals at the means, and the forecast beyond them."""

# matplotlib leaves the types of its keyword arguments unknown:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any

from weft.report.forecast import BAND, Line
from weft.report.formats import percent, whole
from weft.report.rows import done, method_rank, name_in
from weft.report.style import GREY, in_percent, new_figure, of_method

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from weft.report.gathered import Gathered
    from weft.report.intervals import Judged

_DODGE = 0.012  # of the axis: how far methods stand apart at one size


def draw_sizes(found: Gathered) -> Figure | None:
    """The curve of all methods; None where no run has a score to show."""
    from matplotlib.lines import Line2D

    rows = [row for row in done(found.main.runs) if row["test_accuracy"] is not None]
    if not rows:
        return None
    figure = new_figure(6.8, 4.2)
    panel = figure.subplots()
    panel.set_xscale("log")
    sizes = sorted({row["size"] for row in rows})
    methods = sorted({row["method"] for row in rows}, key=method_rank)
    ahead = found.line
    farthest = sizes[-1] if ahead is None else float(ahead.sizes[-1])
    decades = max(math.log10(farthest / sizes[0]), 0.5)
    handles: list[Any] = []
    for place, method in enumerate(methods):
        colour, marker = of_method(method, methods)
        shift = 10 ** (_DODGE * decades * (place - (len(methods) - 1) / 2))
        own = [row for row in rows if row["method"] == method]
        _points(panel, own, shift, colour, marker)
        label = name_in(found.main, method)
        cells = {size: found.judged.get((method, size)) for size in sizes}
        _intervals(panel, cells, shift, colour)
        handles.append(Line2D([], [], color=colour, linewidth=2, marker=marker, label=label))
    if found.judged:
        handles.append(
            Line2D([], [], color=GREY, marker="|", markersize=11, linestyle="none", label=_BARS)
        )
    if ahead is not None and found.ahead is not None:
        handles.append(_forecast(panel, ahead, found.ahead.method, methods))
    if found.target is not None:
        handles.append(_target(panel, found.target))
    _size_axis(panel, sizes, decades, farthest)
    in_percent(panel.yaxis)
    panel.margins(y=0.08)
    tested = sorted({int(row["test_examples"]) for row in rows})
    panel.set_ylabel(f"test accuracy (n = {' or '.join(map(whole, tested))})")
    panel.set_title("Test accuracy by training size: each seed a point, lines through the means")
    panel.legend(handles=handles, loc="best")
    return figure


_BARS = "95 % interval"


def _points(
    panel: Axes, rows: list[dict[str, Any]], shift: float, colour: str, marker: str
) -> None:
    """A method's seeds, and the line through their means."""
    panel.plot(
        [row["size"] * shift for row in rows],
        [row["test_accuracy"] for row in rows],
        linestyle="none",
        marker=marker,
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        color=colour,
        alpha=0.75,
        zorder=3,
    )
    at = sorted({row["size"] for row in rows})
    # The bar keeps the mean visible where there is one size and so no line.
    panel.plot(
        [size * shift for size in at],
        [fmean(row["test_accuracy"] for row in rows if row["size"] == size) for size in at],
        color=colour,
        linewidth=2,
        marker="_",
        markersize=13,
        markeredgewidth=2,
        alpha=0.85,
    )


def _intervals(panel: Axes, cells: dict[int, Judged | None], shift: float, colour: str) -> None:
    """A bar at each size that has an interval."""
    for size, cell in cells.items():
        if cell is None or cell.recipe.accuracy.low is None:
            continue
        low, high = cell.recipe.accuracy.low, cell.recipe.accuracy.high or 1.0
        at = size * shift
        panel.plot([at, at], [low, high], color=colour, linewidth=1, marker="_", markersize=6)


def _forecast(panel: Axes, ahead: Line, method: str, methods: list[str]) -> Line2D:
    """The curve beyond the largest size, dotted, with its band."""
    from matplotlib.lines import Line2D

    colour, _ = of_method(method, methods)
    panel.fill_between(ahead.sizes, ahead.low, ahead.high, color=colour, alpha=0.12, linewidth=0)
    panel.plot(ahead.sizes, ahead.mean, color=colour, linewidth=2, linestyle=":")
    label = f"{method}, forecast with {100 * BAND:.0f} % band"
    return Line2D([], [], color=colour, linewidth=2, linestyle=":", label=label)


def _target(panel: Axes, target: float) -> Line2D:
    """The accuracy that is wanted, across the picture."""
    from matplotlib.lines import Line2D

    style: dict[str, Any] = {"color": GREY, "linewidth": 1, "linestyle": "--"}
    panel.axhline(target, zorder=1, **style)
    return Line2D([], [], label=f"target, {percent(target)}", **style)


def _size_axis(panel: Axes, sizes: list[int], decades: float, farthest: float) -> None:
    """Ticks at the sizes that were run; labels that would touch their neighbour are left out.

    Beyond them, where there is a forecast, ticks stand at its two sizes.
    """
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    margin = 10 ** (0.06 * decades)
    panel.set_xlim(sizes[0] / margin, farthest * margin)
    if farthest > sizes[-1]:
        sizes = [*sizes, 2 * sizes[-1], round(farthest)]
    letter = 0.015 * decades  # what a letter of a label takes of the axis
    labels = [whole(size) for size in sizes]
    shown = len(sizes) - 1  # the largest size is always named
    for place in range(len(sizes) - 2, -1, -1):
        gap = math.log10(sizes[shown] / sizes[place])
        if gap > letter * (1 + (len(labels[place]) + len(labels[shown])) / 2):
            shown = place
        else:
            labels[place] = ""
    panel.xaxis.set_major_locator(FixedLocator(sizes))
    panel.xaxis.set_major_formatter(NullFormatter())
    panel.xaxis.set_ticks(sizes, labels)
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("training examples (log scale)")
