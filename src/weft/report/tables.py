"""The table of a study: one line per size and method, means over seeds, for every reader."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from weft.report import formats
from weft.report.intervals import NOT_MEASURED, SCORED, ends, unmeasured
from weft.report.rows import METRICS, SPLITS, done, method_rank, records
from weft.report.steps import FEW, FLOOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    from rich.table import Table

    from weft.evidence.compare import Place
    from weft.report.intervals import Judged

_SCORES = tuple(f"{split}_{metric}" for split in SPLITS for metric in METRICS)
COSTS = (
    *("trainable", "total", "share", "epochs", "best_epoch", "seconds", "examples_per_second"),
    *("peak_memory_bytes", "model_bytes"),
)
COLUMNS = (
    *("size", "method", "seeds"),
    *(name + end for name in _SCORES for end in ("", "_sd", "_min", "_max")),
    *(f"test_{name}_{end}" for name in SCORED for end in ("low", "high")),
    *("interval_covers", "few_steps"),
    *COSTS,
)

_TERMINAL = (
    *("Size", "Method", "Seeds", "Test\nacc.", "95 %\ninterval", "Test\nF1", "Test\nloss"),
    *("Valid.\nacc.", "Trained\nshare", "Sec.\na run"),
)


def summary(
    runs: pd.DataFrame,
    found: Mapping[Place, Judged] | None = None,
    few: Mapping[Place, int] | None = None,
) -> pd.DataFrame:
    """One row per size and method, of the runs that are done.

    Args:
        runs: as `Ledger.runs` or `read(folder).runs` gives it.
        found: intervals of the cells that have some.
        few: steps of the cells that have few.

    Returns:
        size, method, seeds (runs that are done); of each score (`test_accuracy`,
        `validation_loss`, ...) the mean over seeds, and with `_sd` the sample standard deviation
        (missing for one seed), `_min` and `_max`; of test's accuracy, f1 and loss the ends of the
        recipe's 95 % interval as `_low` and `_high`, and in `interval_covers` which noise they
        cover; `few_steps` where the runs are short; means of trainable, total, share (of 1),
        epochs, best_epoch, seconds, examples_per_second, peak_memory_bytes and model_bytes.
        Sorted by size, then method.
    """
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for run in done(runs):
        groups.setdefault((run["size"], run["method"]), []).append(run)
    keys = sorted(groups, key=lambda key: (key[0], method_rank(key[1])))
    table = [
        _row(size, method, groups[size, method])
        | _interval((found or {}).get((method, size)))
        | {"few_steps": (few or {}).get((method, size))}
        for size, method in keys
    ]
    return pd.DataFrame(table, columns=list(COLUMNS))


def _interval(cell: Judged | None) -> dict[str, Any]:
    if cell is None:
        return ends(None) | {"interval_covers": None}
    return ends(cell.recipe) | {"interval_covers": cell.recipe.accuracy.noise}


def _row(size: int, method: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"size": size, "method": method, "seeds": len(runs)}
    for name in _SCORES:
        values = [run[name] for run in runs]
        if None in values:
            continue
        row[name] = fmean(values)
        row[f"{name}_min"], row[f"{name}_max"] = min(values), max(values)
        row[f"{name}_sd"] = stdev(values) if len(values) > 1 else None
    for run in runs:
        run["share"] = share_of(run)
    for name in COSTS:
        values = [run[name] for run in runs if run[name] is not None]
        row[name] = fmean(values) if values else None
    return row


def share_of(run: dict[str, Any]) -> float | None:
    """Trainable parameters of a run as a share of all its parameters, 0 to 1."""
    if not run["total"]:
        return None
    return run["trainable"] / run["total"]


def spread_of(row: dict[str, Any], name: str) -> str:
    """The seed spread of a summary row's score that is a share, in points."""
    return formats.spread(row["seeds"], row[f"{name}_sd"], row[f"{name}_min"], row[f"{name}_max"])


_UNMEASURED, _SHORT = "*", "!"


def render(table: pd.DataFrame) -> Table:
    """A summary for the terminal; fits 80 columns."""
    from rich import box
    from rich.table import Table

    rows = records(table)
    view = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        caption=_caption(rows),
        caption_justify="left",
    )
    for heading in _TERMINAL:
        view.add_column(heading, justify="left" if heading == "Method" else "right", no_wrap=True)
    for place, row in enumerate(rows):
        first = place == 0 or rows[place - 1]["size"] != row["size"]
        last = place + 1 == len(rows) or rows[place + 1]["size"] != row["size"]
        view.add_row(
            formats.whole(row["size"]) if first else "",
            row["method"],
            f"{row['seeds']}{_marks(row)}",
            formats.percent(row["test_accuracy"]),
            formats.ends(row["test_accuracy_low"], row["test_accuracy_high"]),
            formats.three(row["test_f1"]),
            formats.three(row["test_loss"]),
            formats.percent(row["validation_accuracy"]),
            formats.share(row["share"]),
            formats.short(row["seconds"]),
            end_section=last,
        )
    return view


def _marks(row: dict[str, Any]) -> str:
    """As wide for every row, so that the digits stand one above the other."""
    noise = _UNMEASURED if unmeasured(row) else " "
    return noise + (_SHORT if row["few_steps"] is not None else " ")


def _caption(rows: list[dict[str, Any]]) -> str:
    said = ["Means over seeds. Validation selects the epoch; test never chooses."]
    if any(row["test_accuracy_low"] is not None for row in rows):
        said.append("Interval: of the accuracy expected of a new seed on new test examples.")
    if any(unmeasured(row) for row in rows):
        said.append(f"{_UNMEASURED} interval for these seeds only: {NOT_MEASURED}.")
    if any(row["few_steps"] is not None for row in rows):
        said.append(f"{_SHORT} {FEW}: fewer than {FLOOR} optimiser steps.")
    return "\n".join(said)


def render_costs(table: pd.DataFrame) -> Table:
    """What each method took at the largest size of a summary, for the terminal."""
    from rich import box
    from rich.table import Table

    rows = records(table)
    largest = max((row["size"] for row in rows), default=0)
    view = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        title=f"What it took at {formats.whole(largest)}, a run",
        title_justify="left",
    )
    for heading in ("Method", "Trained\nparameters", "Share", "Sec.", "Peak\nmemory", "On\ndisk"):
        view.add_column(heading, justify="left" if heading == "Method" else "right", no_wrap=True)
    for row in rows:
        if row["size"] == largest:
            view.add_row(
                row["method"],
                formats.whole(row["trainable"]),
                formats.share(row["share"]),
                formats.short(row["seconds"]),
                formats.size(row["peak_memory_bytes"]),
                formats.size(row["model_bytes"]),
            )
    return view
