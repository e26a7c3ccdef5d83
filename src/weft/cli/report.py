"""`weft report`: a study's page, tables and figures again, from its folder and its data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weft.cli import options as o
from weft.cli.cycles import seldom_collected


@seldom_collected()
def report(
    studies: Annotated[list[Path], typer.Argument(help="One study's folder, or several.")],
    target: Annotated[
        float | None,
        typer.Option("--target", help="Test accuracy wanted, e.g. 0.90; else the study's own."),
    ] = None,
    target_precision: Annotated[
        float | None,
        typer.Option(
            "--target-precision",
            help="Precision for which a threshold is sought on validation [default: 0.95].",
        ),
    ] = None,
    backtest: Annotated[
        bool,
        typer.Option(
            "--backtest",
            help="Only hold the forecast against sizes that were run, beside simpler forecasts.",
        ),
    ] = False,
    texts: o.Texts = True,
    note: Annotated[
        str,
        typer.Option("--note", help="A line for the report, e.g. whose data they are."),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write there, not into the study's folder, which may be read-only. Of several "
            "studies: each into a folder of its own, numbered where two are called the same, "
            "beside the page that sets them side by side, which else goes into the first one's "
            "folder.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Results as JSON; of several studies, a list.")
    ] = False,
) -> None:
    """Rebuild page, tables and figures of studies, finished or not; set several side by side."""
    o.refuse_no_share("--target", "an accuracy", target)
    o.refuse_no_share("--target-precision", "a precision", target_precision)
    if backtest:
        from weft.cli.backtest import print_backtests

        print_backtests(studies, as_json=json)
        return
    from weft.api import Result
    from weft.cli.harmed import read_or_mend, write_both_or_say, write_or_say
    from weft.cli.outcome import print_result, print_versus
    from weft.evidence.calibration.threshold import WANTED
    from weft.report import gather, versus
    from weft.report.data_files import results_json
    from weft.study.reread import reread

    written: list[Result] = []
    for folder, place in zip(studies, _places(studies, out), strict=True):
        view, seen = read_or_mend(folder), reread(folder, texts)
        found = gather(view, target, seen, note, target_precision or WANTED)
        written.append(Result(folder, files=write_or_say(found, place), gathered=found))
    both, files = None, list[Path]()
    if len(written) > 1:
        both = versus([result.gathered for result in written])
        files = write_both_or_say(both, out)
    if json:
        results = [results_json(one.gathered) for one in written]
        print(results[0] if len(results) == 1 else f"[{','.join(results)}]\n", end="")
        return
    for result in written:
        print_result(result, None, as_json=False, quiet=False)
    if both is not None:
        print_versus(both, files)


def _places(studies: list[Path], out: Path | None) -> list[Path | None]:
    """Where each study's files go; None: its own folder. No two studies share a folder in `out`."""
    if out is None or len(studies) == 1:
        return [out] * len(studies)
    names = [folder.resolve().name for folder in studies]
    # some disks take `A` and `a` for one
    if len({name.casefold() for name in names} - {""}) < len(names):
        names = [f"{place}-{name or 'study'}" for place, name in enumerate(names, 1)]
    return [out / name for name in names]
