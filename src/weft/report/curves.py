"""Loss and accuracy per epoch: a panel per size, a thin line per seed, a bold mean."""

# matplotlib leaves the types of its keyword arguments unknown:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, cast

from weft.report.formats import whole
from weft.report.rows import StudyView, done, main_method, name_in
from weft.report.style import GREY, TRAIN, VALIDATION, in_percent, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Quantity = Literal["loss", "accuracy"]
_UNITS = {"accuracy": "accuracy", "loss": "cross-entropy, nats"}
_PANEL = 2.35  # inches, width of a panel
_ROW = 4  # panels abreast, five where there are five


def draw_curves(view: StudyView, quantity: Quantity) -> Figure | None:
    """The curves of the main method's finished runs; None where no run has epochs to show."""
    rows = [row for row in done(view.epochs) if row[f"validation_{quantity}"] is not None]
    method = main_method(rows)
    if method is None:
        return None
    rows = [row for row in rows if row["method"] == method]
    best = {row["run_id"]: row["best_epoch"] for row in done(view.runs)}
    sizes = sorted({row["size"] for row in rows})
    across = len(sizes) if len(sizes) <= 5 else _ROW
    down = math.ceil(len(sizes) / across)
    figure = new_figure(max(4.2, _PANEL * across + 0.5), 2.3 * down + 1.0)
    grid = cast(
        "list[list[Axes]]",
        figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).tolist(),
    )
    panels = [panel for line in grid for panel in line]
    for panel, size in zip(panels, sizes, strict=False):
        _panel(panel, [row for row in rows if row["size"] == size], best, quantity)
        panel.set_title(f"{whole(size)} examples")
    for place, panel in enumerate(panels):
        if place >= len(sizes):
            panel.remove()
        elif place + across >= len(sizes):  # no panel below
            panel.set_xlabel("epoch")
            panel.tick_params(labelbottom=True)
    _scales(panels[0], max(row["epoch"] for row in rows), quantity)
    judged = _judged(view, rows)
    for line in grid:
        line[0].set_ylabel(f"{_UNITS[quantity]}{judged}")
    title = "Accuracy" if quantity == "accuracy" else "Loss"
    figure.suptitle(f"{title} per epoch, {name_in(view, method)}")
    _legend(figure, several=len({row["seed"] for row in rows}) > 1)
    return figure


def _panel(
    panel: Axes, rows: list[dict[str, Any]], best: dict[str, int | None], quantity: Quantity
) -> None:
    runs: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        runs.setdefault(row["run_id"], []).append(row)
    for colour, name in ((TRAIN, f"train_{quantity}"), (VALIDATION, f"validation_{quantity}")):
        alone = len(runs) == 1
        for epochs in runs.values():
            xs = [row["epoch"] for row in epochs]
            ys = [math.nan if row[name] is None else row[name] for row in epochs]
            panel.plot(xs, ys, color=colour, linewidth=0.8, alpha=0.45, marker=".", markersize=3)
        # The mean goes as far as all seeds do: after that it would jump when one stops.
        shared = min(len(epochs) for epochs in runs.values())
        means = [
            _mean([epochs[place][name] for epochs in runs.values()]) for place in range(shared)
        ]
        first = next(iter(runs.values()))
        xs = [row["epoch"] for row in first[:shared]]
        panel.plot(
            xs,
            means,
            color=colour,
            linewidth=1.4 if alone else 2.2,
            marker="o" if shared == 1 else "",  # one epoch is no line
            markersize=4,
        )
    for run_id, epochs in runs.items():
        for row in epochs:
            if row["epoch"] == best.get(run_id):
                panel.plot(
                    [row["epoch"]],
                    [row[f"validation_{quantity}"]],
                    marker="o",
                    markersize=6,
                    markerfacecolor="none",
                    markeredgecolor=VALIDATION,
                )


def _judged(view: StudyView, rows: list[dict[str, Any]]) -> str:
    """On how many examples validation's figures are, for the axis."""
    own = {row["run_id"] for row in rows}
    counts = {run["validation_examples"] for run in done(view.runs) if run["run_id"] in own}
    return f"\n(validation n = {whole(counts.pop())})" if len(counts) == 1 else ""


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else math.nan


def _scales(panel: Axes, last: int, quantity: Quantity) -> None:
    """Sets the axes that all panels share."""
    from matplotlib.ticker import MaxNLocator

    panel.set_xlim(0.6, last + 0.4)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    if quantity == "accuracy":
        in_percent(panel.yaxis)
    else:
        panel.set_ylim(bottom=0)


def _legend(figure: Figure, *, several: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=TRAIN, linewidth=2.2, label="train (running, dropout on)"),
        Line2D([], [], color=VALIDATION, linewidth=2.2, label="validation"),
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markerfacecolor="none",
            markeredgecolor=VALIDATION,
            label="best epoch, kept",
        ),
    ]
    if several:
        handles.append(
            Line2D(
                [],
                [],
                color=GREY,
                linewidth=0.8,
                marker=".",
                label="one seed (bold: mean, while all run)",
            )
        )
    columns = len(handles) if figure.get_figwidth() > 7 else 2
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
