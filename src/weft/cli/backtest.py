"""`weft report --backtest`: what the forecast would have been worth on the study's own sizes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from weft.errors import StudyError

if TYPE_CHECKING:
    from rich.table import Table

    from weft.evidence.backtest import Summary

_HEADINGS = (
    "Method",
    "Way",
    "Fore-\ncasts",
    "Mean abs.\nmiss",
    "Cover-\nage",
    "Width",
    "Interval\nscore",
)


def print_backtests(folders: Sequence[Path], *, as_json: bool) -> None:
    """A table a study, on standard output; nothing is written.

    Raises:
        StudyError: a study has no ladder that can be cut.
    """
    found = [_tested(folder) for folder in folders]
    if as_json:
        lists = [[asdict(one) for one in own] for own in found]
        print(json.dumps(lists if len(lists) > 1 else lists[0], indent=1))
        return
    console = Console(highlight=False, soft_wrap=True)
    for folder, own in zip(folders, found, strict=True):
        if len(folders) > 1:
            console.print(f"{folder}", markup=False)
        console.print(_table(own))
        for line in _verdicts(own):
            console.print(line, markup=False)


def _tested(folder: Path) -> list[Summary]:
    from weft.report import read
    from weft.report.forecast import backtest, needs
    from weft.report.grid import of_main_settings
    from weft.report.rows import done, method_rank

    view = of_main_settings(read(folder))
    methods = sorted({row["method"] for row in done(view.runs)}, key=method_rank)
    found = backtest(view, methods)
    if not found:
        raise StudyError(
            f"The study in {folder} has too few sizes or seeds to test a forecast on",
            found=needs(view, methods),
            remedy="run more sizes, e.g. --sizes 250:16000:7, with two seeds or more",
        )
    return found


def _table(found: list[Summary]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        caption="Each ladder of sizes is cut short, and what the cut one forecasts is held\n"
        "against the sizes that were run, up to 4 times its largest. Points of accuracy;\n"
        "coverage and width are those of 90 % bands. A smaller interval score is better.",
        caption_justify="left",
    )
    for heading in _HEADINGS:
        words = heading in ("Method", "Way")
        table.add_column(heading, justify="left" if words else "right", no_wrap=True)
    shown = _shown(found)
    for place, one in enumerate(shown):
        first = place == 0 or shown[place - 1].data != one.data
        last = place + 1 == len(shown) or shown[place + 1].data != one.data
        table.add_row(
            one.data if first else "",
            one.way,
            str(one.forecasts),
            f"{100 * one.miss:.2f}",
            f"{100 * one.coverage:.0f} %",
            f"{100 * one.width:.2f}",
            f"{100 * one.interval_score:.2f}",
            end_section=last,
        )
    return table


def _shown(found: list[Summary]) -> list[Summary]:
    """Without the mean over methods where there is one method."""
    several = len({one.data for one in found}) > 2
    return [one for one in found if several or one.data != "all"]


def _verdicts(found: list[Summary]) -> list[str]:
    """Which methods' forecasts are printed by the report, by the rule that it follows."""
    from weft.evidence.backtest import earned

    return [
        f"{name}: the forecast does better than both, so it is shown."
        if better
        else f"{name}: the forecast does no better than both, so none is shown."
        for name, better in earned(found).items()
        if name != "all"
    ]
