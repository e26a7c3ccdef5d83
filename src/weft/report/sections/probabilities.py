"""The report's section on probabilities: calibration, ensembles, a threshold, abstention."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weft.evidence.calibration.abstention import at, curve
from weft.evidence.calibration.judge import Estimate, log_loss_each
from weft.evidence.calibration.prior import Shift, corrected, shift
from weft.evidence.calibration.reliability import BINS
from weft.evidence.proportion import wilson
from weft.report.calibration import COVERAGE, Best, Cell
from weft.report.formats import count, percent, percent_whole, points, share, three, whole
from weft.report.markdown import code, markdown_table
from weft.report.rows import StudyView, section
from weft.report.sections.parts import Drawn, Part, picture
from weft.report.sections.threshold import threshold_words

if TYPE_CHECKING:
    from weft.report.gathered import Gathered

_WHAT = (
    "One temperature a run divides its logits: above 1 the run was too sure of itself (shown: "
    "median over seeds, and both ends). No answer changes by it. It is fitted by log loss on "
    "validation, cross-fitted: each example's probabilities are those of the epoch, or the C, that "
    "the other four fifths of validation choose."
)
_JUDGED = (
    " Test judges what it is worth: log loss in nats and Brier score (summed over the classes, 0 "
    "to 2), means over seeds with 95 % t intervals over the test examples; training noise is not "
    f"in them. ECE is the mean distance between confidence and accuracy over {BINS} bins of equal "
    "counts. It is biased upwards: the last column says how large chance alone makes it after."
)
_TOGETHER = (
    "A cell's seeds as one model: the mean of their probabilities, with a temperature of its own. "
    "Beside it the mean of its single models. All are test scores after calibration."
)


def probabilities(gathered: Gathered, files: Sequence[str]) -> list[Part]:
    """The section's paragraphs; none where no run's predictions can be read.

    Args:
        gathered: the study and what is concluded from it.
        files: everything that is written beside the page.
    """
    rows, found = gathered.cells, gathered.best
    if not rows:
        return []
    parts: list[Part] = [_WHAT + _saved(rows) + _JUDGED, _table(rows)]
    if any(row.ensemble for row in rows):
        parts += ["### Seeds together", _TOGETHER, _ensembles(rows)]
    if found is not None:
        parts += _chosen(gathered, found, files)
    return parts


def _saved(rows: list[Cell]) -> str:
    saved, seeds = sum(row.saved for row in rows), sum(row.seeds for row in rows)
    older = seeds - sum(row.held_out for row in rows)
    said = " It is saved with the model, and `weft predict` uses it (`--raw`: without)."
    if saved != seeds:
        lacking = whole(seeds - saved)
        said = f" Of {count(seeds, 'model')} {lacking} were saved without a temperature."
    if older:
        said += (
            f" Of {whole(older)} an earlier weft made, it is fitted on validation as their own "
            "epoch, or C, shows it."
        )
    return said


def _table(rows: list[Cell]) -> str:
    headings = (
        *("size", "method", "seeds", "temperature", "log loss before", "log loss after"),
        *("Brier before", "Brier after", "ECE before", "ECE after", "ECE by chance"),
    )
    lines = [
        [
            *(whole(row.size), row.name, str(row.seeds), _temperatures(row.temperatures)),
            *(_estimate(estimate) for estimate in (*row.log_loss, *row.brier)),
            *(three(value) for value in (*row.ece, row.floor)),
        ]
        for row in rows
    ]
    return markdown_table(headings, lines)


def _temperatures(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _estimate(estimate: Estimate) -> str:
    if not np.isfinite([estimate.low, estimate.high]).all():
        return three(estimate.value)
    return f"{three(estimate.value)} ({three(estimate.low)} to {three(estimate.high)})"


def _ensembles(rows: list[Cell]) -> str:
    kept = f"accuracy at {percent_whole(COVERAGE)} coverage"
    headings = [
        *("size", "method", "seeds"),
        *(f"{what}, {who}" for what in ("accuracy", "log loss", kept) for who in ("one", "all")),
    ]
    lines: list[list[str]] = []
    for row in rows:
        own = row.ensemble
        lines.append(
            [
                *(whole(row.size), row.name, str(row.seeds)),
                *(percent(row.accuracy), percent(own.accuracy if own else None)),
                *(three(row.log_loss[1].value), three(own.log_loss if own else None)),
                *(percent(row.kept), percent(own.kept if own else None)),
            ]
        )
    return markdown_table(headings, lines)


def _chosen(gathered: Gathered, found: Best, files: Sequence[str]) -> list[Part]:
    key, run = found.key, found.run
    temperature = run.temperature
    why = f" ({temperature.reason})" if temperature.reason else ""
    name = f"{key.name} at {whole(key.size)}, seed {key.seed}"
    parts: list[Part] = [
        "### The run that validation chose",
        f"{name}: temperature {temperature.value:.2f}{why}.",
    ]
    unlike = unlike_test(found)
    if unlike:
        parts.append(unlike)
    said = "Reliability on test, before and after"
    parts.append(Drawn("reliability", picture("reliability", files, said)))
    parts.append(threshold_words(gathered, found))
    kept = at(curve(run.at(run.test), run.test.labels))
    lines = [
        [percent_whole(one.coverage), whole(one.examples), percent(one.accuracy),
         f"{percent(one.low)} to {percent(one.high)}"]
        for one in kept
    ]  # fmt: skip
    parts += [
        "Answering only where it is surest (test; 95 % Wilson intervals, each by itself):",
        markdown_table(("coverage", "answers", "accuracy", "interval"), lines),
    ]
    parts.append(Drawn("abstention", picture("abstention", files, "Accuracy against coverage")))
    warning = _prior(gathered.view, found)
    return [*parts, warning] if warning else parts


def unlike_test(found: Best) -> str:
    """The warning that validation is easier or harder than test, where no chance explains it."""
    run = found.run
    ends: list[tuple[float, float]] = []
    shares: list[float] = []
    for split in (run.validation, run.test):
        right = int((split.probabilities.argmax(axis=1) == split.labels).sum())
        low, high = wilson(right, len(split.labels))
        ends.append((float(low), float(high)))
        shares.append(right / len(split.labels))
    (low, high), (test_low, test_high) = ends
    if low <= test_high and test_low <= high:
        return ""
    return (
        f"**Warning: validation is not like test.** This run is right in {percent(shares[0])} of "
        f"validation and {percent(shares[1])} of test. Temperatures and thresholds are found on "
        "validation, and hold for texts like those."
    )


def _prior(view: StudyView, found: Best) -> str:
    """The warning that balanced sampling changed the class shares; empty where it did not."""
    counts = section(section(view.facts, "data"), "label_counts")
    trained = section(counts, "train").get(str(found.key.size))
    run, test = found.run, found.run.test
    names = test.label_names
    if not trained or len(trained) != len(names) or len(counts.get("pool") or []) != len(names):
        return ""
    change = shift(trained, counts["pool"])
    if not change.noticeable:
        return ""
    before = run.at(test)
    after = corrected(before, change)
    losses = [three(float(log_loss_each(rows, test.labels).mean())) for rows in (before, after)]
    right = [percent(float((rows.argmax(1) == test.labels).mean())) for rows in (before, after)]
    met = np.bincount(test.labels, minlength=len(names)) / len(test.labels)
    return (
        f"**Warning: sampling changed the class shares by {points(change.size)} points.** "
        f"{_shares(names, change, met)} Where the texts in use have the pool's shares, multiply "
        "the probabilities and divide by their sum: "
        f"{_factors(names, change.factors)}. On test this takes the log loss from {losses[0]} to "
        f"{losses[1]} and the accuracy from {right[0]} to {right[1]}."
    )


_NAMED = 6  # classes that are named one by one


def _shares(names: tuple[str, ...], change: Shift, met: NDArray[np.float64]) -> str:
    if len(names) > _NAMED:
        return "Training sets, the pool that they are drawn from and test differ class by class."
    parts = [
        f"{code(name)} is {share(float(change.trained[k]))} of the training set, "
        f"{share(float(change.met[k]))} of the pool and {share(float(met[k]))} of test"
        for k, name in enumerate(names)
    ]
    return "; ".join(parts) + "."


def _factors(names: tuple[str, ...], factors: NDArray[np.float64]) -> str:
    order = np.argsort(-np.abs(np.log(np.maximum(factors, 1e-9))), kind="stable")
    chosen = sorted(int(place) for place in order[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f"{code(names[k])} by {factors[k]:.2f}" for k in chosen) + more
