"""Learning curves of several studies, a panel a method, a colour a study."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from weft.report.formats import percent, whole
from weft.report.page.axes import linear, of_sizes
from weft.report.page.curve_chart import dodged, ends_of, fill
from weft.report.page.marks import Chart, Series
from weft.report.rows import done, method_rank
from weft.report.versus import Versus

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
            judged = found.studies[place].judged
            fill(chart, series, here, judged, shift, _says, band=False)
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


def _says(series: Series, row: dict[str, Any]) -> str:
    said = f"{series.label}, {whole(row['size'])} examples, seed {row['seed']}: "
    return said + percent(row["test_accuracy"])
