"""Charts of the chosen run's probabilities: reliability before and after, and abstention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weft.evidence.calibration.abstention import Curve
from weft.evidence.calibration.reliability import CalibrationError, Reliability
from weft.report.formats import percent, three, whole
from weft.report.page.axes import linear
from weft.report.page.marks import Chart, Dot, Look, Path, Series

if TYPE_CHECKING:
    from weft.report.gathered import Gathered

_POINTS = 160  # of a curve: more cannot be seen


def reliability_charts(found: Gathered) -> list[Chart]:
    """Without and with the temperature, on the same axes; none without a chosen run."""
    shown, best = found.surety, found.best
    if shown is None or best is None:
        return []
    after = f"after, temperature {best.run.temperature.value:.2f}"
    both = ((shown.before, "before", "train"), (shown.after, after, "validation"))
    ends = [float(end) for (own, _), *_ in both for end in (*own.low, *own.confidence, *own.high)]
    return [_reliability(*own, name, key, ends) for own, name, key in both]


def _reliability(
    own: Reliability, error: CalibrationError, name: str, key: str, ends: list[float]
) -> Chart:
    n = int(own.counts.sum())
    chart = Chart(
        says=f"Reliability {name}",
        x=linear(
            "confidence: probability of the answer", ends, _percent, least=0, most=1, wanted=4
        ),
        y=linear(f"right answers (n = {whole(n)})", ends, _percent, least=0, most=1, wanted=4),
        title=f"{name}: ECE {three(error.ece)}, by chance {three(error.floor)}",
    )
    low = max(chart.x.low, chart.y.low)
    high = min(chart.x.high, chart.y.high)
    chart.diagonal = chart.line([(low, low), (high, high)], "dashed")
    series = Series(key, name)
    for sure, right, a, b, count in zip(
        own.confidence, own.accuracy, own.low, own.high, own.counts, strict=True
    ):
        series.bars.append(chart.bar(float(sure), float(a), float(b)))
        says = (
            f"{count} answers of confidence {percent(float(sure))}: {percent(float(right))} right "
            f"({100 * a:.1f} to {100 * b:.1f})"
        )
        series.dots.append(chart.dot(float(sure), float(right), says))
    chart.series.append(series)
    return chart


def abstention_chart(found: Gathered) -> Chart | None:
    """Right answers against the share that is answered; None without a chosen run."""
    shown, best = found.surety, found.best
    if shown is None or best is None:
        return None
    own, part = shown.kept, shown.shown
    values = [float(end) for end in (*own.low[part], *own.high[part])]
    total = len(own.coverage)
    chart = Chart(
        says="Right answers among those given, against the share of texts that get one",
        x=linear("coverage: share answered, the surest first", [0.0, 1.0], _percent, least=0),
        y=linear(f"right answers (n = {whole(total)})", values, _percent, most=1),
    )
    series = Series(best.key.method, f"{best.key.name}, seed {best.key.seed}")
    places = _places(part, total)
    low, high = (
        [(float(own.coverage[k]), float(end[k])) for k in places] for end in (own.low, own.high)
    )
    series.paths += [chart.area(low, high), _line(chart, own, places)]
    for k in places[:: max(1, len(places) // 20)]:
        series.dots.append(_kept(chart, own, k))
    chart.series.append(series)
    if shown.together is not None:
        every = Series("together", "all its seeds together")
        every.paths.append(_line(chart, shown.together, places, "dashed"))
        chart.series.append(every)
    return chart


def _places(part: slice, total: int) -> list[int]:
    start = int(part.start)
    wanted = min(_POINTS, total - start)
    return sorted({int(k) for k in np.linspace(start, total - 1, wanted).round()})


def _line(chart: Chart, own: Curve, places: list[int], look: Look = "line") -> Path:
    return chart.line([(float(own.coverage[k]), float(own.accuracy[k])) for k in places], look)


def _kept(chart: Chart, own: Curve, k: int) -> Dot:
    x, y = float(own.coverage[k]), float(own.accuracy[k])
    says = (
        f"the surest {percent(x)}: {percent(y)} right "
        f"({100 * float(own.low[k]):.1f} to {100 * float(own.high[k]):.1f})"
    )
    return chart.dot(x, y, says)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
