"""`weft report`: a study's tables and figures again, from its folder alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from weft.report import Gathered
    from weft.report.rows import StudyView


def report(
    studies: Annotated[list[Path], typer.Argument(help="One study's folder, or several.")],
    target: Annotated[
        float | None,
        typer.Option("--target", help="Test accuracy wanted, e.g. 0.90; else the study's own."),
    ] = None,
    backtest: Annotated[
        bool,
        typer.Option(
            "--backtest",
            help="Only hold the forecast against sizes that were run, beside simpler forecasts.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write there, not into the study's folder, which may be read-only."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Results as JSON; of several studies, a list.")
    ] = False,
) -> None:
    """Rebuild tables and figures of finished or unfinished studies, without training."""
    from weft.errors import ConfigError

    if target is not None and not 0 < target < 1:
        raise ConfigError(
            "--target is an accuracy between 0 and 1", found=f"{target:g}", remedy="e.g. 0.90"
        )
    if backtest:
        from weft.cli.backtest import print_backtests

        print_backtests(studies, as_json=json)
        return
    from weft.api import Result
    from weft.cli.outcome import print_result
    from weft.report import gather
    from weft.report.data_files import results_json

    written: list[Result] = []
    for folder in studies:
        found = gather(_read(folder), target)
        place = out if out is None or len(studies) == 1 else out / folder.absolute().name
        written.append(Result(folder, files=_write(found, place), gathered=found))
    if json and len(written) > 1:
        print(f"[{','.join(results_json(one.gathered) for one in written)}]")
        return
    for result in written:
        print_result(result, None, as_json=json, quiet=False)


def _read(folder: Path) -> StudyView:
    """What the report is of; a ledger that is damaged is rebuilt first."""
    from weft.errors import LedgerError
    from weft.report import read

    try:
        return read(folder)
    except LedgerError:
        from weft.study.lock import held
        from weft.study.rebuilt import mend
        from weft.study.runner import typed_command

        with held(folder, typed_command()):
            mend(folder, lambda what: print(what, file=sys.stderr))
        return read(folder)


def _write(found: Gathered, place: Path | None) -> list[Path]:
    """The files written; none where the study's own folder takes none, which is said."""
    from weft.errors import StudyError
    from weft.report import write_gathered

    try:
        return write_gathered(found, place)
    except StudyError as error:
        if place is not None:
            raise
        print(
            f"note: {error.problem} ({error.found}) To have the report's files, name a folder for "
            "them with --out.",
            file=sys.stderr,
        )
        return []
