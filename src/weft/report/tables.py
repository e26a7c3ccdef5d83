"""The table of a study: one line per size and method, means over seeds, for every reader."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from weft.report import formats
from weft.report.rows import METRICS, SPLITS, done, method_rank, records

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    from rich.table import Table

_SCORES = tuple(f"{split}_{metric}" for split in SPLITS for metric in METRICS)
COSTS = (
    *("trainable", "total", "share", "epochs", "best_epoch", "seconds", "examples_per_second"),
    *("peak_memory_bytes", "model_bytes"),
)
COLUMNS = (
    *("size", "method", "seeds"),
    *(name + end for name in _SCORES for end in ("", "_sd", "_min", "_max")),
    *COSTS,
)

_TERMINAL = (
    *("Size", "Method", "Seeds", "Test\nacc.", "Seed\nspread", "Test\nF1", "Test\nloss"),
    *("Valid.\nacc.", "Trained\nshare", "Sec.\na run"),
)


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per size and method, of the runs that are done.

    Args:
        runs: as `Ledger.runs` or `read(folder).runs` gives it.

    Returns:
        size, method, seeds (runs that are done); of each score (`test_accuracy`,
        `validation_loss`, ...) the mean over seeds, and with `_sd` the sample standard deviation
        (missing for one seed), `_min` and `_max`; means of trainable, total, share (of 1), epochs,
        best_epoch, seconds, examples_per_second, peak_memory_bytes and model_bytes. Sorted by
        size, then method.
    """
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for run in done(runs):
        groups.setdefault((run["size"], run["method"]), []).append(run)
    keys = sorted(groups, key=lambda key: (key[0], method_rank(key[1])))
    return pd.DataFrame([_row(*key, groups[key]) for key in keys], columns=list(COLUMNS))


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


def render(table: pd.DataFrame) -> Table:
    """A summary for the terminal; fits 80 columns."""
    from rich import box
    from rich.table import Table

    view = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        caption="Means over seeds. The spread is that of the seeds' test accuracies in points; "
        "it is no interval. Validation selects the epoch; test never chooses.",
        caption_justify="left",
    )
    for heading in _TERMINAL:
        view.add_column(heading, justify="left" if heading == "Method" else "right", no_wrap=True)
    rows = records(table)
    for place, row in enumerate(rows):
        first = place == 0 or rows[place - 1]["size"] != row["size"]
        last = place + 1 == len(rows) or rows[place + 1]["size"] != row["size"]
        view.add_row(
            formats.whole(row["size"]) if first else "",
            row["method"],
            str(row["seeds"]),
            formats.percent(row["test_accuracy"]),
            spread_of(row, "test_accuracy"),
            formats.three(row["test_f1"]),
            formats.three(row["test_loss"]),
            formats.percent(row["validation_accuracy"]),
            formats.share(row["share"]),
            formats.short(row["seconds"]),
            end_section=last,
        )
    return view


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
