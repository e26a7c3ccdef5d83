"""Writes a study's whole report from its folder alone; equal ledgers give equal bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weft.report.data_files import results_csv, results_json, training_logs
from weft.report.figures import draw_all
from weft.report.files import write_whole
from weft.report.gathered import Gathered, gather
from weft.report.page import study_page, versus_page
from weft.report.results import results_markdown, versus_markdown
from weft.report.rows import read
from weft.study.reread import CHECK, kept_as

if TYPE_CHECKING:
    from weft.report.versus import Versus
    from weft.study.reread import Seen

PAGE = "report.html"


def write(folder: Path, target: float | None = None, seen: Seen | None = None) -> list[Path]:
    """Reads `folder/ledger.sqlite` and writes tables, logs and pictures beside it.

    A figure that would show nothing is not written.

    Args:
        folder: the study's folder.
        target: accuracy wanted, a share; None: the study's own, if it has one.
        seen: the study's data, as `study.reread` gives them; None: nothing is said of texts.

    Returns:
        What was written, `report.html` first.

    Raises:
        StudyError: the folder holds no ledger that can be read, or cannot be written.
    """
    return write_gathered(gather(read(folder), target, seen))


def write_versus(found: Versus, folder: Path) -> list[Path]:
    """Writes several studies side by side, as a page and as Markdown."""
    files = {
        "comparison.html": versus_page(found),
        "comparison.md": versus_markdown(found),
    }
    for name, content in files.items():
        write_whole(folder / name, content.encode())
    return [folder / name for name in files]


def write_gathered(found: Gathered, place: Path | None = None) -> list[Path]:
    """As `write`, of what is computed already.

    Args:
        place: the folder to write into; None: the study's own.
    """
    view, place = found.view, place or found.view.folder
    files: dict[str, bytes] = {
        "results.csv": results_csv(view.runs, found.adapters).encode(),
        "results.json": results_json(found).encode(),
    }
    files |= draw_all(found)
    for run_id, log in training_logs(view.epochs).items():
        files[f"runs/{run_id}/training_log.csv"] = log.encode()
    if found.seen is not None and found.seen.check is not None:
        files[CHECK] = kept_as(found.seen)
    words = results_markdown(found, [PAGE, *files])
    files = {PAGE: study_page(found).encode(), "results.md": words.encode()} | files
    for name, content in files.items():
        write_whole(place / name, content)
    return [place / name for name in files]
