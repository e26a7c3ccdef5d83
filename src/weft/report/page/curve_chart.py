"""The learning curve: each seed a point, means with their intervals, the forecast, the target."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any

from weft.evidence.sentences import name_of
from weft.report.forecast import BAND
from weft.report.formats import count, percent, short, whole
from weft.report.page.axes import Axis, linear, of_sizes
from weft.report.page.marks import Chart, Series
from weft.report.rows import done, method_rank, name_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weft.evidence.compare import Place
    from weft.report.gathered import Gathered
    from weft.report.intervals import Judged

_DODGE = 0.011  # of the axis: how far series stand apart at one size


def curve_chart(found: Gathered) -> Chart | None:
    """None where no run has a score to show."""
    rows = [row for row in done(found.main.runs) if row["test_accuracy"] is not None]
    if not rows:
        return None
    sizes = sorted({int(row["size"]) for row in rows})
    methods = sorted({row["method"] for row in rows}, key=method_rank)
    ahead = found.line
    beyond = [] if ahead is None else [2 * sizes[-1], round(float(ahead.sizes[-1]))]
    values = [float(row["test_accuracy"]) for row in rows]
    values += [end for cell in found.judged.values() for end in ends_of(cell)]
    if ahead is not None:
        values += [float(end) for band in (ahead.low, ahead.high) for end in band]
    if found.target is not None:
        values.append(found.target)
    tested = sorted({int(row["test_examples"]) for row in rows})
    n = " or ".join(map(whole, tested))
    chart = Chart(
        says=f"Test accuracy of {count(len(rows), 'run')} against training size",
        x=of_sizes("training examples (log scale)", sizes, beyond),
        y=linear(f"test accuracy (n = {n})", values, _percent, least=0, most=1),
    )
    for place, method in enumerate(methods):
        shift = dodged(chart.x, place, len(methods))
        own = [row for row in rows if row["method"] == method]
        series = Series(method, name_in(found.main, method))
        fill(chart, series, own, found.judged, shift, _says, band=True)
        if found.ahead is not None and found.ahead.method == method and ahead is not None:
            _forecast(chart, series, found)
        chart.series.append(series)
    if found.target is not None:
        chart.rule = (chart.place(sizes[0], found.target)[1], f"target {percent(found.target)}")
    return chart


def dodged(sizes: Axis, place: int, of: int, apart: float = _DODGE) -> float:
    """What a series' sizes are multiplied by, so that it stands beside the others.

    Args:
        sizes: the axis.
        place: which series it is, from 0.
        of: how many there are.
        apart: how far neighbours stand apart, of the axis.
    """
    decades = math.log10(sizes.high / sizes.low)
    return 10 ** (apart * decades * (place - (of - 1) / 2))


def ends_of(cell: Judged | None) -> list[float]:
    """Of the interval of a cell's accuracy; none where it has no interval."""
    if cell is None:
        return []
    interval = cell.recipe.accuracy
    return [end for end in (interval.low, interval.high) if end is not None]


def fill(
    chart: Chart,
    series: Series,
    rows: list[dict[str, Any]],
    judged: Mapping[Place, Judged],
    shift: float,
    says: Callable[[Series, dict[str, Any]], str],
    *,
    band: bool,
) -> None:
    """One method's seeds, their means with intervals, and the line through the means.

    Args:
        chart: with its axes.
        series: gets the marks.
        rows: the method's runs.
        judged: intervals, by method and size.
        shift: what sizes are multiplied by, see `dodged`.
        says: the words of a run's own mark.
        band: whether the intervals are also joined to an area.
    """
    low: list[tuple[float, float]] = []
    high: list[tuple[float, float]] = []
    through: list[tuple[float, float]] = []
    for size in sorted({int(row["size"]) for row in rows}):
        here = [row for row in rows if row["size"] == size]
        mean = fmean(row["test_accuracy"] for row in here)
        through.append((size * shift, mean))
        ends = ends_of(judged.get((here[0]["method"], size)))
        said = f"{series.label}, {whole(size)} examples: mean of {count(len(here), 'seed')} "
        said += percent(mean)
        if len(ends) == 2:
            low.append((size * shift, ends[0]))
            high.append((size * shift, ends[1]))
            series.bars.append(chart.bar(size * shift, *ends))
            said += f", 95 % interval {100 * ends[0]:.1f} to {100 * ends[1]:.1f}"
        series.dots += [
            chart.dot(size * shift, row["test_accuracy"], says(series, row)) for row in here
        ]
        series.dots.append(chart.dot(size * shift, mean, said, "mean"))
    if band and len(low) > 1:
        series.paths.append(chart.area(low, high))
    if len(through) > 1:
        series.paths.append(chart.line(through))


def _says(series: Series, row: dict[str, Any]) -> str:
    return (
        f"{series.label}, {whole(row['size'])} examples, seed {row['seed']}: "
        f"test {percent(row['test_accuracy'])}, validation {percent(row['validation_accuracy'])}, "
        f"{short(row['seconds'])} s (run {row['run_id']})"
    )


def _forecast(chart: Chart, series: Series, found: Gathered) -> None:
    line = found.line
    assert line is not None
    low, mean, high = (
        [(float(x), float(y)) for x, y in zip(line.sizes, values, strict=True)]
        for values in (line.low, line.mean, line.high)
    )
    series.paths += [chart.area(low, high), chart.line(mean, "dotted")]
    for place in (_nearest(low, 2 * low[0][0]), len(mean) - 1):
        size, score = mean[place]
        says = (
            f"Forecast for {name_of(series.key)} at {whole(size)} examples: {percent(score)}, "
            f"{100 * BAND:.0f} % band {100 * low[place][1]:.1f} to {100 * high[place][1]:.1f}"
        )
        series.dots.append(chart.dot(size, score, says, "ring"))


def _nearest(points: list[tuple[float, float]], size: float) -> int:
    return min(range(len(points)), key=lambda place: abs(points[place][0] - size))


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
