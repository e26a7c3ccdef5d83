"""Pictures of the chosen run's probabilities: reliability before and after, and abstention."""

# matplotlib leaves the types of its keyword arguments unknown:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weft.evidence.calibration.abstention import curve
from weft.evidence.calibration.reliability import calibration_error, reliability
from weft.report.calibration import Best
from weft.report.formats import count, three, whole
from weft.report.style import BLUE, GREY, VERMILION, in_percent, new_figure, of_method

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_reliability(found: Best | None) -> Figure | None:
    """Accuracy against confidence on test, without and with the temperature."""
    if found is None:
        return None
    run, labels = found.run, found.run.test.labels
    figure = new_figure(7.2, 3.7)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _panel(left, run.test.probabilities, labels, VERMILION)
    _panel(right, run.at(run.test), labels, BLUE)
    left.set_title(f"before\n{left.get_title()}")
    right.set_title(f"after, temperature {run.temperature.value:.2f}\n{right.get_title()}")
    left.set_ylabel("right answers")
    low = left.get_xlim()[0]
    for panel in (left, right):
        panel.plot([low, 1], [low, 1], color=GREY, linewidth=1, linestyle="--", zorder=1)
        panel.set_xlim(low, 1.01)
        panel.set_ylim(max(left.get_ylim()[0], 0), 1.01)
        in_percent(panel.xaxis)
        in_percent(panel.yaxis)
        panel.set_xlabel("confidence: probability of the answer")
    figure.suptitle(f"Reliability on {count(len(labels), 'test example')}: {_name(found)}")
    return figure


def _panel(
    panel: Axes, probabilities: NDArray[np.float64], labels: NDArray[np.int64], colour: str
) -> None:
    found = reliability(probabilities, labels)
    error = calibration_error(probabilities, labels)
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
    own = curve(found.run.at(found.run.test), found.run.test.labels)
    total = len(own.coverage)
    # a handful of the surest says nothing, and its interval would set the scale
    shown = slice(min(max(total // 20, 20), total) - 1, None)
    x = own.coverage[shown]
    panel.fill_between(
        x, own.low[shown], own.high[shown], color=colour, alpha=0.15, linewidth=0,
        label="95 % interval, each point by itself",
    )  # fmt: skip
    panel.plot(x, own.accuracy[shown], color=colour, linewidth=2, label="this run")
    if found.ensemble is not None:
        every = curve(found.ensemble.at(found.ensemble.test), found.ensemble.test.labels)
        panel.plot(
            every.coverage[shown], every.accuracy[shown], color=GREY, linewidth=1.5,
            linestyle="--", label="all its seeds together",
        )  # fmt: skip
    panel.set_xlim(0, 1.005)
    in_percent(panel.xaxis)
    in_percent(panel.yaxis)
    panel.set_xlabel("coverage: share of the texts that get an answer, the surest first")
    panel.set_ylabel("right answers")
    panel.set_title(f"Abstention on {count(total, 'test example')}: {_name(found)}")
    panel.legend(loc="lower left")
    return figure


def _name(found: Best) -> str:
    return f"{found.key.name}, {whole(found.key.size)} examples, seed {found.key.seed}"
