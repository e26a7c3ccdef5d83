"""Writes a study's whole report from its folder alone; equal ledgers give equal bytes."""

from __future__ import annotations

from pathlib import Path

from weft.report.data_files import results_csv, results_json, training_logs
from weft.report.figures import draw_all
from weft.report.files import write_whole
from weft.report.gathered import Gathered, gather
from weft.report.results import results_markdown
from weft.report.rows import read


def write(folder: Path, target: float | None = None) -> list[Path]:
    """Reads `folder/ledger.sqlite` and writes tables, logs and pictures beside it.

    A figure that would show nothing is not written.

    Args:
        folder: the study's folder.
        target: accuracy wanted, a share; None: the study's own, if it has one.

    Returns:
        What was written, `results.md` first.

    Raises:
        StudyError: the folder holds no ledger that can be read, or cannot be written.
    """
    return write_gathered(gather(read(folder), target))


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
    page = results_markdown(found, list(files)).encode()
    files = {"results.md": page} | files
    for name, content in files.items():
        write_whole(place / name, content)
    return [place / name for name in files]
