"""Which model of a study a name means. No torch."""

from __future__ import annotations

from pathlib import Path

from weft.errors import StudyError
from weft.study.ledger import Ledger
from weft.study.record import Outcome, RunKey

LEDGER = "ledger.sqlite"
MODEL = "adapter"


def best_run(folder: Path) -> tuple[RunKey, Outcome]:
    """The run with the highest validation accuracy, ties by validation loss; test never chooses.

    Raises:
        StudyError: the folder holds no study, or no finished run.
    """
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        done = [(key, ledger.outcome(key.run_id)) for key in ledger.keys()]
    finished = [(key, outcome) for key, outcome in done if outcome is not None]
    if not finished:
        raise StudyError(
            f"the study in {folder} has no finished run",
            remedy="run it to its end: `weft study` with the same settings goes on with it",
        )
    return min(
        finished,
        key=lambda pair: (-pair[1].validation.accuracy, pair[1].validation.loss, pair[0].run_id),
    )


def model_folder(name: str) -> Path:
    """The folder that MODEL means: itself, `STUDY:best`, or `STUDY:RUN`.

    Raises:
        StudyError: STUDY is no study, or has no such run.
    """
    study, colon, run = name.rpartition(":")
    if not colon or Path(name).exists() or not study:
        return Path(name)
    folder = Path(study)
    if run == "best":
        return folder / "runs" / best_run(folder)[0].run_id / MODEL
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        known = {key.run_id for key in ledger.keys()}
    if run not in known:
        raise StudyError(
            f"the study in {folder} has no run {run}",
            found=", ".join(sorted(known)[:6]),
            remedy="name one of its runs, or best",
        )
    return folder / "runs" / run / MODEL
