"""`weft doctor`: what this machine has, can do and cannot reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from weft.machine import Check


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Tell what this machine has, can do and cannot reach, with remedies; exit code 1 if a
    necessary part fails."""
    import dataclasses
    import json as _json

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from weft.machine import checks

    found = [*checks(), _kernels()]
    if json:
        print(_json.dumps([dataclasses.asdict(check) for check in found], indent=2))
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("", "what", "found", "remedy"):
            table.add_column(heading, overflow="fold")
        marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fail": "[red]fail[/]"}
        for check in found:
            words = (check.name, check.found, check.remedy or "")
            table.add_row(marks[check.state], *map(escape, words))
        Console().print(table)
    if any(check.state == "fail" for check in found):
        raise SystemExit(1)


def _kernels() -> Check:
    from weft.machine import Check

    try:
        from weft.nn.native.library import instructions, reason

        missing = reason()
        if missing is None:
            return Check("kernels", "ok", f"compiled, {instructions()}")
    except (ImportError, OSError) as error:  # a broken torch has a line of its own
        missing = str(error)
    return Check(
        "kernels",
        "note",
        f"{missing}: training is slower, and computes the same",
        "on Linux, install g++ (12 or newer), then install weft again",
    )
