"""Test accuracy against training size: each seed a point, a line through each method's means."""

# matplotlib leaves the types of its keyword arguments unknown:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from weft.report.formats import whole
from weft.report.rows import StudyView, done, method_rank
from weft.report.style import in_percent, new_figure, of_method

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DODGE = 0.012  # of the axis: how far methods stand apart at one size


def draw_sizes(view: StudyView) -> Figure | None:
    """The curve of all methods; None where no run has a score to show."""
    from matplotlib.lines import Line2D

    rows = [row for row in done(view.runs) if row["test_accuracy"] is not None]
    if not rows:
        return None
    figure = new_figure(6.4, 4.0)
    panel = figure.subplots()
    panel.set_xscale("log")
    sizes = sorted({row["size"] for row in rows})
    methods = sorted({row["method"] for row in rows}, key=method_rank)
    decades = max(math.log10(sizes[-1] / sizes[0]), 0.5)
    handles: list[Line2D] = []
    for place, method in enumerate(methods):
        colour, marker = of_method(method, methods)
        shift = 10 ** (_DODGE * decades * (place - (len(methods) - 1) / 2))
        own = [row for row in rows if row["method"] == method]
        panel.plot(
            [row["size"] * shift for row in own],
            [row["test_accuracy"] for row in own],
            linestyle="none",
            marker=marker,
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            color=colour,
            alpha=0.75,
            zorder=3,
        )
        at = sorted({row["size"] for row in own})
        means = [fmean(row["test_accuracy"] for row in own if row["size"] == size) for size in at]
        # The bar keeps the mean visible where there is one size and so no line.
        panel.plot(
            [size * shift for size in at],
            means,
            color=colour,
            linewidth=2,
            marker="_",
            markersize=13,
            markeredgewidth=2,
            alpha=0.85,
        )
        handles.append(Line2D([], [], color=colour, linewidth=2, marker=marker, label=method))
    _size_axis(panel, sizes, decades)
    in_percent(panel.yaxis)
    panel.margins(y=0.08)
    panel.set_ylabel("test accuracy")
    panel.set_title("Test accuracy by training size: each seed a point, lines through the means")
    panel.legend(handles=handles, loc="best")
    return figure


def _size_axis(panel: Axes, sizes: list[int], decades: float) -> None:
    """Ticks at the sizes that were run; labels that would touch their neighbour are left out."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    margin = 10 ** (0.06 * decades)
    panel.set_xlim(sizes[0] / margin, sizes[-1] * margin)
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
