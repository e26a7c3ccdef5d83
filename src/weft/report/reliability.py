"""Pictures of the chosen run's probabilities: reliability before and after, and abstention."""

# matplotlib leaves the types of its keyword arguments unknown:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weft.evidence.calibration.reliability import CalibrationError, Reliability
from weft.report.calibration import Best
from weft.report.formats import count, three, whole
from weft.report.style import BLUE, GREY, VERMILION, in_percent, new_figure, of_method
from weft.report.surety import surety

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_reliability(found: Best | None) -> Figure | None:
    """Accuracy against confidence on test, without and with the temperature."""
    if found is None:
        return None
    run, shown = found.run, surety(found)
    assert shown is not None, "there is a run"
    figure = new_figure(7.2, 3.7)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _panel(left, *shown.before, VERMILION)
    _panel(right, *shown.after, BLUE)
    left.set_title(f"before\n{left.get_title()}")
    right.set_title(f"after, temperature {run.temperature.value:.2f}\n{right.get_title()}")
    left.set_ylabel(f"right answers (n = {whole(len(run.test.labels))})")
    low = left.get_xlim()[0]
    for panel in (left, right):
        panel.plot([low, 1], [low, 1], color=GREY, linewidth=1, linestyle="--", zorder=1)
        panel.set_xlim(low, 1.01)
        panel.set_ylim(max(left.get_ylim()[0], 0), 1.01)
        in_percent(panel.xaxis)
        in_percent(panel.yaxis)
        panel.set_xlabel("confidence: probability of the answer")
    figure.suptitle(f"Reliability on {count(len(run.test.labels), 'test example')}: {_name(found)}")
    return figure


def _panel(panel: Axes, found: Reliability, error: CalibrationError, colour: str) -> None:
    bars = np.stack([found.accuracy - found.low, found.high - found.accuracy])
    panel.errorbar(
        found.confidence,
        found.accuracy,
        yerr=np.maximum(bars, 0),
        fmt="o",
        markersize=4,
        color=colour,
        ecolor=colour,
        elinewidth=1,
        alpha=0.85,
        zorder=3,
    )
    panel.set_title(f"ECE {three(error.ece)}, by chance {three(error.floor)}")


def draw_abstention(found: Best | None) -> Figure | None:
    """Accuracy among the answers given against their share, on test."""
    if found is None:
        return None
    figure = new_figure(6.4, 3.8)
    panel = figure.subplots()
    colour, _ = of_method(found.key.method, [found.key.method])
    drawn = surety(found)
    assert drawn is not None, "there is a run"
    own, shown = drawn.kept, drawn.shown  # the surest few's interval would set the scale
    x = own.coverage[shown]
    panel.fill_between(
        x, own.low[shown], own.high[shown], color=colour, alpha=0.15, linewidth=0,
        label="95 % interval, each point by itself",
    )  # fmt: skip
    panel.plot(x, own.accuracy[shown], color=colour, linewidth=2, label="this run")
    if drawn.together is not None:
        every = drawn.together
        panel.plot(
            every.coverage[shown], every.accuracy[shown], color=GREY, linewidth=1.5,
            linestyle="--", label="all its seeds together",
        )  # fmt: skip
    panel.set_xlim(0, 1.005)
    in_percent(panel.xaxis)
    in_percent(panel.yaxis)
    panel.set_xlabel("coverage: share of the texts that get an answer, the surest first")
    panel.set_ylabel(f"right answers (n = {whole(len(own.coverage))})")
    panel.set_title(f"Abstention on {count(len(own.coverage), 'test example')}: {_name(found)}")
    panel.legend(loc="lower left")
    return figure


def _name(found: Best) -> str:
    return f"{found.key.name}, {whole(found.key.size)} examples, seed {found.key.seed}"
