"""`weft report`: a study's tables and figures again, from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    studies: Annotated[list[Path], typer.Argument(help="One study's folder, or several.")],
    json: Annotated[
        bool, typer.Option("--json", help="Results as JSON; of several studies, a list.")
    ] = False,
) -> None:
    """Rebuild tables and figures of finished or unfinished studies, without training."""
    from weft.api import Result
    from weft.cli.outcome import print_result
    from weft.report import write

    written = [Result(folder, files=write(folder)) for folder in studies]
    if json and len(written) > 1:
        texts = [(one.folder / "results.json").read_text(encoding="utf-8") for one in written]
        print(f"[{','.join(texts)}]")
        return
    for result in written:
        print_result(result, None, as_json=json, quiet=False)
