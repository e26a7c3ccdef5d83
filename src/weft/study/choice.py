"""Which model of a study a name means. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from weft.errors import StudyError, did_you_mean
from weft.study.ledger import Ledger
from weft.study.record import Outcome, RunKey

Cell = tuple[str, str, int]
"""A method, its settings on the grid, and a size."""

LEDGER = "ledger.sqlite"
MODEL = "adapter"


def best_run(folder: Path) -> tuple[RunKey, Outcome]:
    """The run that validation chooses; test never does.

    First the method, its settings and the size with the highest mean validation accuracy over
    their seeds, LoRA before the baselines where they tie; of its seeds, the one with the lowest
    validation loss. A mean over seeds is harder to win by luck than a single run is.

    Raises:
        StudyError: the folder holds no study, or no finished run.
    """
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        planned = ledger.keys()
        done = [(key, ledger.outcome(key.run_id)) for key in planned]
    cells: dict[Cell, list[tuple[RunKey, Outcome]]] = {}
    for key, outcome in done:
        if outcome is not None:
            cells.setdefault((key.method, key.variant, key.size), []).append((key, outcome))
    if not cells:
        raise StudyError(
            f"the study in {folder} has no finished run",
            remedy="run it to its end: `weft study` with the same settings goes on with it",
        )

    def standing(cell: Cell) -> tuple[float, bool, int, str, float]:
        method, _, size = cell
        mean = fmean(outcome.validation.accuracy for _, outcome in cells[cell])
        loss = fmean(outcome.validation.loss for _, outcome in cells[cell])
        return (-round(mean, 9), method != "lora", size, method, loss)

    best = cells[min(cells, key=standing)]
    return min(best, key=lambda pair: (pair[1].validation.loss, pair[0].run_id))


@dataclass(frozen=True)
class Tried:
    """What validation says of one finished run."""

    method: str
    variant: str
    size: int
    accuracy: float
    loss: float


def winning_cells(runs: Iterable[Tried]) -> dict[tuple[str, int], str]:
    """By method and size, the settings that validation chooses there.

    The highest mean accuracy over the seeds; of equals the lowest mean loss, then the first.
    """
    best: dict[tuple[str, int], tuple[tuple[float, float], str]] = {}
    for (method, variant, size), standing in _standings(runs).items():
        place = method, size
        if place not in best or standing < best[place][0]:
            best[place] = standing, variant
    return {place: variant for place, (_, variant) in best.items()}


def winning_variants(runs: Iterable[Tried]) -> dict[str, str]:
    """By method, the one setting for all sizes that validation chooses.

    The highest mean accuracy, averaged over the sizes that all settings which finished most sizes
    have in common: a setting that broke at some size is no candidate beside those that did not.
    """
    sizes: dict[str, dict[str, dict[int, tuple[float, float]]]] = {}
    for (method, variant, size), standing in _standings(runs).items():
        sizes.setdefault(method, {}).setdefault(variant, {})[size] = standing
    return {method: _best_over(own) for method, own in sizes.items()}


def _best_over(variants: dict[str, dict[int, tuple[float, float]]]) -> str:
    most = max(map(len, variants.values()))
    rivals = {name: own for name, own in variants.items() if len(own) == most}
    every = {size for own in rivals.values() for size in own}
    common = {size for size in every if all(size in own for own in rivals.values())}

    def standing(name: str) -> tuple[float, float]:
        own = [value for size, value in rivals[name].items() if size in common or not common]
        return (round(fmean(one[0] for one in own), 9), fmean(one[1] for one in own))

    return min(rivals, key=standing)


def _standings(runs: Iterable[Tried]) -> dict[Cell, tuple[float, float]]:
    """By cell, what is the smaller the better: minus the mean accuracy, then the mean loss."""
    cells: dict[Cell, list[Tried]] = {}
    for run in runs:
        cells.setdefault((run.method, run.variant, run.size), []).append(run)
    return {
        cell: (-round(fmean(run.accuracy for run in own), 9), fmean(run.loss for run in own))
        for cell, own in cells.items()
    }


def run_of(
    folder: Path, method: str, size: int, seed: int, variant: str | None = None
) -> tuple[RunKey, Outcome]:
    """The finished run at this place of the grid; of several, the latest.

    Args:
        variant: its settings, e.g. `learning_rate=0.001`; None: any.

    Raises:
        StudyError: the folder holds no study, or no such run that is finished.
    """
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        for key in reversed(ledger.keys()):
            outcome = ledger.outcome(key.run_id)
            here = (key.method, key.size, key.seed) == (method, size, seed)
            if here and variant in (None, key.variant) and outcome is not None:
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
    if not colon or _is_there(Path(name)) or not study:
        return Path(name)
    folder = Path(study)
    if run == "best":
        return folder / "runs" / best_run(folder)[0].run_id / MODEL
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        known = {key.run_id for key in ledger.keys()}  # noqa: SIM118 (a ledger is no dict)
    if run not in known:
        raise StudyError(
            f"the study in {folder} has no run {run[:200]}",
            found=", ".join(sorted(known)[:6]),
            remedy=f"name one of its runs, or best{did_you_mean(run, {'best', *known})}",
        )
    return folder / "runs" / run / MODEL


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long a name
        return False
