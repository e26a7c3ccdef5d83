"""Which model of a study a name means. No torch."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from weft.errors import StudyError
from weft.study.ledger import Ledger
from weft.study.record import Outcome, RunKey

LEDGER = "ledger.sqlite"
MODEL = "adapter"


def best_run(folder: Path) -> tuple[RunKey, Outcome]:
    """The run that validation chooses; test never does.

    First the method and size with the highest mean validation accuracy over their seeds, LoRA
    before the baselines where they tie; of its seeds, the one with the lowest validation loss. A
    mean over seeds is harder to win by luck than a single run is.

    Raises:
        StudyError: the folder holds no study, or no finished run.
    """
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        planned = ledger.keys()
        done = [(key, ledger.outcome(key.run_id)) for key in planned]
    cells: dict[tuple[str, int], list[tuple[RunKey, Outcome]]] = {}
    for key, outcome in done:
        if outcome is not None:
            cells.setdefault((key.method, key.size), []).append((key, outcome))
    if not cells:
        raise StudyError(
            f"the study in {folder} has no finished run",
            remedy="run it to its end: `weft study` with the same settings goes on with it",
        )

    def standing(cell: tuple[str, int]) -> tuple[float, bool, int, str]:
        method, size = cell
        mean = fmean(outcome.validation.accuracy for _, outcome in cells[cell])
        return (-round(mean, 9), method != "lora", size, method)

    best = cells[min(cells, key=standing)]
    return min(best, key=lambda pair: (pair[1].validation.loss, pair[0].run_id))


def run_of(folder: Path, method: str, size: int, seed: int) -> tuple[RunKey, Outcome]:
    """The finished run at this place of the grid.

    Raises:
        StudyError: the folder holds no study, or no such run that is finished.
    """
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        for key in reversed(ledger.keys()):
            outcome = ledger.outcome(key.run_id)
            if (key.method, key.size, key.seed) == (method, size, seed) and outcome is not None:
                return key, outcome
    raise StudyError(
        f"the study in {folder} has no finished run of {method} at {size:,}, seed {seed}",
        remedy="run it to its end: the same command goes on with it",
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
        known = ledger.statuses()
    if run not in known:
        raise StudyError(
            f"the study in {folder} has no run {run}",
            found=", ".join(sorted(known)[:6]),
            remedy="name one of its runs, or best",
        )
    return folder / "runs" / run / MODEL
