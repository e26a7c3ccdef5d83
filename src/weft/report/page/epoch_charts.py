"""Curves per epoch: for each method a row of panels, one a size, of loss and of accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from weft.report.formats import percent, three, whole
from weft.report.page.axes import Axis, Tick, linear
from weft.report.page.marks import Chart, Dot, Series
from weft.report.rows import done
from weft.report.sections.epochs import ending

if TYPE_CHECKING:
    from weft.report.gathered import Gathered
    from weft.report.traces import Trace

Quantity = Literal["loss", "accuracy"]


@dataclass(frozen=True)
class Rows:
    """The charts of one method."""

    method: str
    loss: list[Chart]
    accuracy: list[Chart]


def epoch_charts(found: Gathered) -> list[Rows]:
    """A row a method that trains by epochs, the one that the answer speaks of first."""
    methods = list(dict.fromkeys(trace.method for trace in found.traces))
    who = None if found.chosen is None else found.chosen.method
    methods.sort(key=lambda method: method != who)
    rows: list[Rows] = []
    for method in methods:
        own = [trace for trace in found.traces if trace.method == method]
        n = _judged(found, own)
        rows.append(Rows(method, _panels(own, "loss", n), _panels(own, "accuracy", n)))
    return [row for row in rows if row.loss or row.accuracy]


def _judged(found: Gathered, runs: list[Trace]) -> str:
    """On how many examples validation's figures are, for the axis; train's are its size."""
    own = {run.run_id for run in runs}
    ended = [row for row in done(found.view.runs) if row["run_id"] in own]
    counts = sorted({int(row["validation_examples"]) for row in ended})
    return f" (n = {' or '.join(map(whole, counts))})" if counts else ""


def _panels(runs: list[Trace], quantity: Quantity, n: str) -> list[Chart]:
    names = (f"train_{quantity}", f"validation_{quantity}")
    values = [
        float(row[name])
        for run in runs
        for row in run.rows
        for name in names
        if row[name] is not None
    ]
    if not values:
        return []
    if quantity == "loss":
        y = linear(f"loss, nats{n}", [0.0, *values], lambda v: f"{v:.3g}", least=0, wanted=4)
    else:
        y = linear(f"accuracy{n}", values, lambda v: f"{100 * v:.4g} %", most=1, wanted=4)
    return [
        _panel([run for run in runs if run.size == size], quantity, size, y)
        for size in sorted({run.size for run in runs})
    ]


def _panel(runs: list[Trace], quantity: Quantity, size: int, y: Axis) -> Chart:
    last = max(run.rows[-1]["epoch"] for run in runs)
    chart = Chart(
        says=f"{quantity} per epoch at {whole(size)} training examples",
        x=_epochs(last),
        y=y,
        title=f"{whole(size)} examples",
    )
    for split in ("train", "validation"):
        name = f"{split}_{quantity}"
        series = Series(split, split)
        for run in runs:
            points = [(row["epoch"], row[name]) for row in run.rows if row[name] is not None]
            if len(points) > 1:
                series.paths.append(chart.line(points, "thin"))
            series.dots += _dots(chart, run, split, quantity)
        chart.series.append(series)
    return chart


def _dots(chart: Chart, run: Trace, split: str, quantity: Quantity) -> list[Dot]:
    name = f"{split}_{quantity}"
    write = three if quantity == "loss" else percent
    dots: list[Dot] = []
    for row in run.rows:
        if row[name] is None:
            continue
        kept = split == "validation" and row["epoch"] == run.best
        ended = split == "validation" and run.stopped and row is run.rows[-1]
        said = f"seed {run.seed}, epoch {row['epoch']} (step {whole(row['step'])}): "
        said += f"{split} {quantity} {write(row[name])}"
        said += ", kept" if kept else ""
        said += f", {ending(run)}" if row is run.rows[-1] else ""
        shape = "ring" if kept else "dot"
        dots.append(chart.dot(row["epoch"], row[name], said, shape))
        if ended:
            dots.append(chart.dot(row["epoch"], row[name], said, "bar"))
    return dots


def _epochs(last: int) -> Axis:
    low, high = 0.6, last + 0.4
    step = max(1, -(-last // 5))
    marks = range(step, last + 1, step) if step > 1 else range(1, last + 1)
    ticks = tuple(Tick(round(100 * (n - low) / (high - low), 3), str(n), 0) for n in marks)
    return Axis("epoch", low, high, ticks)
