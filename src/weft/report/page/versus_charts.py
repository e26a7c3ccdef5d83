"""Learning curves of several studies, a panel a method, a colour a study."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

from weft.report.formats import count, percent, whole
from weft.report.page.axes import linear, of_sizes
from weft.report.page.curve_chart import dodged, ends_of
from weft.report.page.marks import Chart, Series
from weft.report.rows import done, method_rank
from weft.report.versus import Versus

if TYPE_CHECKING:
    from weft.evidence.compare import Place
    from weft.report.intervals import Judged

KEYS = "abcde"
"""Of the studies' colours; more than these take them again."""
_WIDE = 0.06  # of a narrow panel: the mark of a mean
_MARGIN = 0.1  # of the axis: a little less than what it leaves free outside its sizes, both ends


def versus_charts(found: Versus) -> list[Chart]:
    """Of every method that some study has scores of."""
    rows = [
        [row for row in done(study.main.runs) if row["test_accuracy"] is not None]
        for study in found.studies
    ]
    every = [row for own in rows for row in own]
    if not every:
        return []
    sizes = sorted({int(row["size"]) for row in every})
    values = [float(row["test_accuracy"]) for row in every]
    values += [
        end for one in found.studies for cell in one.judged.values() for end in ends_of(cell)
    ]
    x = of_sizes("training examples (log scale)", sizes)
    n = " or ".join(map(whole, sorted({int(row["test_examples"]) for row in every})))
    title = f"test accuracy (n = {n})"
    y = linear(title, values, lambda v: f"{100 * v:.4g} %", least=0, most=1)
    apart = _dodge([x.at(size) for size in sizes], len(rows))
    charts: list[Chart] = []
    for method in sorted({row["method"] for row in every}, key=method_rank):
        chart = Chart(says=f"Test accuracy of {method} by study", x=x, y=y, title=method)
        for place, (name, own) in enumerate(zip(found.names, rows, strict=True)):
            series = Series(KEYS[place % len(KEYS)], name)
            here = [row for row in own if row["method"] == method]
            shift = dodged(x, place, len(rows), apart)
            _fill(chart, series, here, found.studies[place].judged, shift)
            chart.series.append(series)
        charts.append(chart)
    return charts


def _dodge(places: list[float], studies: int) -> float:
    """How far studies stand apart at one size, of the axis.

    As far as a mean's mark is wide in a narrow panel, but so that the outermost stay within the
    axis, and those of a size nearer to each other than to the next size's.

    Args:
        places: of the sizes, per cent of the axis, ascending.
        studies: how many.
    """
    gap = min((b - a for a, b in pairwise(places)), default=100.0) / 100
    return min(_WIDE, _MARGIN / max(studies - 1, 1), gap / (studies + 1))


def _fill(
    chart: Chart,
    series: Series,
    rows: list[dict[str, Any]],
    judged: Mapping[Place, Judged],
    shift: float,
) -> None:
    """One study's seeds, means and intervals of one method."""
    through: list[tuple[float, float]] = []
    for size in sorted({int(row["size"]) for row in rows}):
        here = [row for row in rows if row["size"] == size]
        mean = fmean(row["test_accuracy"] for row in here)
        through.append((size * shift, mean))
        for row in here:
            says = f"{series.label}, {whole(size)} examples, seed {row['seed']}: "
            says += percent(row["test_accuracy"])
            series.dots.append(chart.dot(size * shift, row["test_accuracy"], says))
        says = f"{series.label}, {whole(size)} examples: "
        says += f"mean of {count(len(here), 'seed')} {percent(mean)}"
        ends = ends_of(judged.get((here[0]["method"], size)))
        if len(ends) == 2:
            series.bars.append(chart.bar(size * shift, *ends))
            says += f", 95 % interval {100 * ends[0]:.1f} to {100 * ends[1]:.1f}"
        series.dots.append(chart.dot(size * shift, mean, says, "mean"))
    if len(through) > 1:
        series.paths.append(chart.line(through))
