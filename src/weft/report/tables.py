"""The table of a study: one line per size and method, means over seeds, for every reader."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from weft.report import formats
from weft.report.grid import several, tried
from weft.report.intervals import NOT_MEASURED, SCORED, ends, unmeasured
from weft.report.rows import METRICS, SPLITS, done, method_rank, records
from weft.report.steps import FEW, FLOOR
from weft.study.choice import winning_cells, winning_variants
from weft.study.record import cell_name

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
    *("size", "method", "variant", "seeds", "chosen", "main"),
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
    """One row per size, method and its settings, of the runs that are done.

    Args:
        runs: as `Ledger.runs` or `read(folder).runs` gives it.
        found: intervals of the cells that have some.
        few: steps of the cells that have few.

    Returns:
        size, method, variant (its settings on the grid, or empty), seeds (runs that are done);
        where a method has several settings, `chosen` where validation chooses this one at this
        size and `main` where it is the one that curves and answer speak of; of each score
        (`test_accuracy`, `validation_loss`, ...) the mean over seeds, and with `_sd` the sample
        standard deviation (missing for one seed), `_min` and `_max`; of test's accuracy, f1 and
        loss the ends of the recipe's 95 % interval as `_low` and `_high`, and in `interval_covers`
        which noise they cover; `few_steps` where the runs are short; means of trainable, total,
        share (of 1), epochs, best_epoch, seconds, examples_per_second, peak_memory_bytes and
        model_bytes.
        Sorted by size, then method.
    """
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    groups: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    finished = done(runs)
    for run in finished:
        groups.setdefault((run["size"], run["method"], run["variant"]), []).append(run)
    keys = sorted(groups, key=lambda key: (key[0], method_rank(key[1])))
    table = [
        _row(size, method, groups[size, method, variant])
        | {"variant": variant}
        | _interval((found or {}).get((cell_name(method, variant), size)))
        | {"few_steps": (few or {}).get((cell_name(method, variant), size))}
        for size, method, variant in keys
    ]
    _mark(table, finished)
    return pd.DataFrame(table, columns=list(COLUMNS))


def _mark(table: list[dict[str, Any]], finished: list[dict[str, Any]]) -> None:
    """Says which rows validation chose, where a method has several settings."""
    every = tried(finished)
    there, over = winning_cells(every), winning_variants(every)
    grid = several(finished)
    for row in table:
        size, method, variant = row["size"], row["method"], row["variant"]
        known = method in grid and method in over
        row["chosen"] = there.get((method, size)) == variant if known else None
        row["main"] = over[method] == variant if known else None


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
    """A summary for the terminal, of one setting a method; fits 80 columns."""
    from rich import box
    from rich.table import Table

    rows = _of_main(table)
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


def _of_main(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the settings that curves and answer speak of."""
    return [row for row in records(table) if row["main"] is not False]


def render_grid(table: pd.DataFrame) -> Table | None:
    """Mean validation accuracy of all settings tried, for the terminal; None where none were."""
    from rich import box
    from rich.table import Table

    rows = [row for row in records(table) if row["main"] is not None]
    if not rows:
        return None
    sizes = sorted({row["size"] for row in rows})
    view = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        title="Settings tried: mean validation accuracy by size, per cent",
        title_justify="left",
        caption="* chosen at this size. > in the table above: best mean over the sizes.",
        caption_justify="left",
    )
    for heading in ("", "Method", "Settings", *(formats.whole(size) for size in sizes)):
        words = heading in ("", "Method", "Settings")
        view.add_column(heading, justify="left" if words else "right", no_wrap=not words)
    cells = {(row["method"], row["variant"], row["size"]): row for row in rows}
    names = dict.fromkeys((method, variant) for method, variant, _ in cells)
    for method, variant in sorted(names, key=lambda name: method_rank(name[0])):
        own = [cells.get((method, variant, size)) for size in sizes]
        main = any(row is not None and row["main"] for row in own)
        view.add_row(">" if main else "", method, variant or "as before", *map(_tried, own))
    return view


def _tried(row: dict[str, Any] | None) -> str:
    if row is None:
        return formats.MISSING
    text = formats.percent(row["validation_accuracy"]).removesuffix(" %")
    return text + ("*" if row["chosen"] else " ")


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

    rows = _of_main(table)
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
