"""Studies whose ledger is damaged or whose folder takes no files, and what is done about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weft.report import Gathered, Versus
    from weft.report.rows import StudyView


def read_or_mend(folder: Path) -> StudyView:
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


def write_or_say(found: Gathered, place: Path | None) -> list[Path]:
    """The files written; none where the study's own folder takes none, which is said."""
    from weft.report import write_gathered

    return _or_say(lambda: write_gathered(found, place), place)


def write_both_or_say(found: Versus, place: Path | None) -> list[Path]:
    """As `write_or_say`, of a comparison; without a place it stands with its first study."""
    from weft.report import write_versus

    return _or_say(lambda: write_versus(found, place or found.studies[0].view.folder), place)


def _or_say(write: Callable[[], list[Path]], place: Path | None) -> list[Path]:
    from weft.errors import StudyError

    try:
        return write()
    except StudyError as error:
        if place is not None:
            raise
        print(
            f"note: {error.problem} ({error.found}) To have the report's files, name a folder for "
            "them with --out.",
            file=sys.stderr,
        )
        return []
