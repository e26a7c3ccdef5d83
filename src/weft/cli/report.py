"""`weft report`: a study's tables and figures again, from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    from weft.report import gather, read, write_gathered

    written: list[Result] = []
    for folder in studies:
        found = gather(read(folder), target)
        written.append(Result(folder, files=write_gathered(found), gathered=found))
    if json and len(written) > 1:
        texts = [(one.folder / "results.json").read_text(encoding="utf-8") for one in written]
        print(f"[{','.join(texts)}]")
        return
    for result in written:
        print_result(result, None, as_json=json, quiet=False)
