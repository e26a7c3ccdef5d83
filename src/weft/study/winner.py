"""What a study's validation chose, and how long it trained. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, median_low
from typing import TYPE_CHECKING

from weft.config import StudyConfig
from weft.errors import StudyError
from weft.study.choice import LEDGER, best_run
from weft.study.ground import settings_of
from weft.study.ledger import Ledger
from weft.study.plan import STEPPED
from weft.study.record import Outcome, RunKey
from weft.study.variants import config_of

if TYPE_CHECKING:
    from weft.methods.base import Found


@dataclass(frozen=True)
class Winner:
    """What a study's validation chose."""

    key: RunKey
    """The run that stands for it: of its seeds the one with the lowest validation loss."""
    config: StudyConfig
    """Its settings, and no grid."""
    seeds: int
    """Runs of these settings at this size, one a seed."""
    steps: int | None
    """Optimiser steps of the epoch that validation chose, the median over the seeds; None: the
    method takes none."""
    c: float | None
    """The inverse strength of the penalty, the (lower) median over the seeds."""

    def at(self, config: StudyConfig) -> Winner:
        """With the places of data and encoder that a configuration names."""
        return replace(self, config=config)


def winner(folder: Path) -> Winner:
    """The recipe that validation chooses in a study, and how long it trained.

    Raises:
        StudyError: the folder holds no study, or no finished run.
    """
    key, _ = best_run(folder)
    config = settings_of(folder)
    if config is None:
        raise StudyError(
            f"the study in {folder} does not say its settings: study.toml is missing",
            remedy="restore the file from a copy, or run the study anew",
        )
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        rivals = [
            (other, outcome)
            for other in ledger.keys()  # noqa: SIM118 (a ledger is no dict)
            if (other.method, other.variant, other.size) == (key.method, key.variant, key.size)
            and (outcome := ledger.outcome(other.run_id)) is not None
        ]
        steps = [_steps(ledger, run, outcome) for run, outcome in rivals]
    penalties = [outcome.extra["C"] for _, outcome in rivals if "C" in outcome.extra]
    return Winner(
        key=key,
        config=config_of(config, key),
        seeds=len(rivals),
        steps=round(median(steps)) if key.method in STEPPED else None,
        c=float(median_low(penalties)) if penalties else None,
    )


def found_by(chosen: Winner) -> Found:
    """Steps and learning rates as found, whatever part of a pass over all labels that is."""
    from weft.methods.base import Found
    from weft.training.slots import Length

    if chosen.steps is None:
        return Found(c=chosen.c)
    horizon = chosen.config.recipe.steps_at(chosen.key.size)
    return Found(Length(chosen.steps, max(horizon, chosen.steps)))


def _steps(ledger: Ledger, key: RunKey, outcome: Outcome) -> int:
    """Optimiser steps until the end of the epoch that validation chose."""
    return next((r.step for r in ledger.epochs(key.run_id) if r.epoch == outcome.best_epoch), 0)
