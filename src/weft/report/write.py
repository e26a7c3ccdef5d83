"""Writes a study's whole report from its folder alone; equal ledgers give equal bytes."""

from __future__ import annotations

from pathlib import Path

from weft.report.answer import answer
from weft.report.data_files import results_csv, results_json, training_logs
from weft.report.figures import draw_all
from weft.report.files import write_whole
from weft.report.results import results_markdown
from weft.report.rows import read


def write(folder: Path) -> list[Path]:
    """Reads `folder/ledger.sqlite` and writes tables, logs and pictures beside it.

    A figure that would show nothing is not written.

    Args:
        folder: the study's folder.

    Returns:
        What was written, `results.md` first.

    Raises:
        StudyError: the folder holds no ledger that can be read, or cannot be written.
    """
    view = read(folder)
    sentence = answer(view.runs, view.facts)
    files: dict[str, bytes] = {
        "results.csv": results_csv(view.runs).encode(),
        "results.json": results_json(view, sentence).encode(),
    }
    files |= draw_all(view)
    for run_id, log in training_logs(view.epochs).items():
        files[f"runs/{run_id}/training_log.csv"] = log.encode()
    page = results_markdown(view, sentence, list(files)).encode()
    files = {"results.md": page} | files
    for name, content in files.items():
        write_whole(folder / name, content)
    return [folder / name for name in files]
