"""`weft report`: a study's tables and figures again, from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    studies: Annotated[list[Path], typer.Argument(help="One study's folder, or several.")],
    json: Annotated[bool, typer.Option("--json", help="Results as JSON.")] = False,
) -> None:
    """Rebuild tables and figures of finished or unfinished studies, without training."""
    from weft.api import Result
    from weft.cli.outcome import print_result
    from weft.report import write

    for folder in studies:
        files = write(folder)
        print_result(Result(folder, files=files), None, as_json=json, quiet=False)
