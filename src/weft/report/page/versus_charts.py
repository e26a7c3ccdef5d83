"""Learning curves of several studies, a panel a method, a colour a study."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from weft.report.formats import count, percent, whole
from weft.report.page.axes import linear, of_sizes
from weft.report.page.marks import Chart, Series
from weft.report.rows import done, method_rank
from weft.report.versus import Versus

KEYS = "abcde"
"""Of the studies' colours; more than these take them again."""


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
    x = of_sizes("training examples (log scale)", sizes)
    y = linear("test accuracy", values, lambda v: f"{100 * v:.4g} %", least=0, most=1)
    charts: list[Chart] = []
    for method in sorted({row["method"] for row in every}, key=method_rank):
        chart = Chart(says=f"Test accuracy of {method} by study", x=x, y=y, title=method)
        for place, (name, own) in enumerate(zip(found.names, rows, strict=True)):
            here = [row for row in own if row["method"] == method]
            chart.series.append(_series(chart, KEYS[place % len(KEYS)], name, here))
        charts.append(chart)
    return charts


def _series(chart: Chart, key: str, name: str, rows: list[dict[str, Any]]) -> Series:
    series = Series(key, name)
    through: list[tuple[float, float]] = []
    for size in sorted({int(row["size"]) for row in rows}):
        here = [row for row in rows if row["size"] == size]
        mean = fmean(row["test_accuracy"] for row in here)
        through.append((size, mean))
        for row in here:
            says = f"{name}, {whole(size)} examples, seed {row['seed']}: "
            says += percent(row["test_accuracy"])
            series.dots.append(chart.dot(size, row["test_accuracy"], says))
        says = f"{name}, {whole(size)} examples: mean of {count(len(here), 'seed')} {percent(mean)}"
        series.dots.append(chart.dot(size, mean, says, "mean"))
    if len(through) > 1:
        series.paths.append(chart.line(through))
    return series
