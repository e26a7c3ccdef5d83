"""A study's winning recipe on all its labels, those that selected among them. No torch.

Nothing is left to select or to stop a run, so it trains as long as validation let the study's runs
train: the second strategy of Goodfellow, Bengio and Courville, Deep Learning (2016), section 7.8,
with steps counted rather than passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, median_low
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weft.config import StudyConfig
from weft.data.examples import Examples, LabelledText
from weft.errors import AdapterError, StudyError, TrainingError
from weft.export import card
from weft.study.choice import LEDGER, MODEL, best_run
from weft.study.facts import facts_of_backbone
from weft.study.ground import same_ground, settings_of
from weft.study.ledger import Ledger
from weft.study.notices import Begun, Opened, Watcher, Working
from weft.study.plan import STEPPED
from weft.study.record import Outcome, RunKey
from weft.study.runner import open_data
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


@dataclass(frozen=True)
class Refitted:
    """A model trained on all labels, and what it says of test."""

    winner: Winner
    data: LabelledText
    labels: int
    """Examples that it was trained from."""
    steps: int | None
    examples: int | None
    """Trained on in these steps, an example anew in each pass; None: the method takes no steps."""
    test: NDArray[np.float64]  # (B, C) probabilities


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


def refit(study: Path, chosen: Winner, out: Path, watch: Watcher) -> Refitted:
    """Trains the winner's recipe on all labels and saves the model with the study's temperature.

    Args:
        study: its folder.
        chosen: with the place of its data and of its backbone, where these have moved.
        out: of the model; made where it is not there.
        watch: told what happens.

    Raises:
        StudyError: data or backbone are not those of the study.
        TrainingError: the loss is no number any more.
    """
    from weft.methods import Materials, make
    from weft.methods.base import Done, Item
    from weft.nn.source import find
    from weft.training.events import EpochEnd, RunFailed

    config, key = chosen.config, chosen.key
    opened = open_data(config)
    every = _all_labels(opened.data)
    splits = replace(opened.splits, pool=every, available=len(every), sizes=(len(every),), notes=())
    source = None if key.method == "tfidf" else find(config.backbone)
    now: dict[str, Any] = {"data": {"hashes": opened.data.hashes}}
    if source is not None:
        now["backbone"] = facts_of_backbone(config, source)
    with Ledger(study / LEDGER, readonly=True) as ledger:
        same_ground(ledger.facts(), now, study)
    found = _found(chosen)
    watch(Opened(config, opened.data, splits))
    own = RunKey("all-labels", key.method, len(every), 0)
    steps = None if found.length is None else found.length.steps
    seen = None if steps is None else _examples(steps, len(every), config.recipe.batch_size)
    watch(Begun([own], [own], now, last={} if steps is None else {own.run_id: steps}))
    length = "" if steps is None else f"; {steps:,} steps as found, {seen:,} examples"
    watch(Working(f"{key.name}: from all {len(every):,} labels{length}; nothing selects"))
    materials = Materials(config, splits, opened.data.label_names, opened.data.positive, source)
    item = Item(own.run_id, own.size, own.seed, config, found)
    done: Done | None = None
    for event in make(key.method, materials).run([item]):
        if isinstance(event, RunFailed):
            raise TrainingError(event.reason, remedy="run the study with a lower learning rate")
        if not isinstance(event, EpochEnd):  # which tells a validation score that is none
            watch(event)
        if isinstance(event, Done):
            done = event
            out.mkdir(parents=True, exist_ok=True)
            for name in card.MODEL_FILES:  # of what lay there, which may be another method's
                (out / name).unlink(missing_ok=True)
            event.save(out)
    assert done is not None
    temperature = _temperature(study / "runs" / key.run_id / MODEL, key.run_id)
    card.write(out, card.read(out).model_copy(update={"calibration": temperature}))
    return Refitted(chosen, opened.data, len(every), steps, seen, done.test)


def _found(chosen: Winner) -> Found:
    """Steps and learning rates as found, whatever part of a pass over all labels that is."""
    from weft.methods.base import Found
    from weft.training.slots import Length

    if chosen.steps is None:
        return Found(c=chosen.c)
    horizon = chosen.config.recipe.steps_at(chosen.key.size)
    return Found(Length(chosen.steps, max(horizon, chosen.steps)))


def _examples(steps: int, labels: int, batch_size: int) -> int:
    """That so many steps train on; a pass's last batch may be smaller."""
    passes, rest = divmod(steps, -(-labels // batch_size))
    return passes * labels + min(rest * batch_size, labels)


def _steps(ledger: Ledger, key: RunKey, outcome: Outcome) -> int:
    """Optimiser steps until the end of the epoch that validation chose."""
    return next((r.step for r in ledger.epochs(key.run_id) if r.epoch == outcome.best_epoch), 0)


def _all_labels(data: LabelledText) -> Examples:
    """What trained and what selected, in the data's order; test is no part of it."""
    own = data.validation
    if own is None:
        return data.train
    train = data.train
    return Examples(
        (*train.texts, *own.texts),
        None if train.pairs is None else (*train.pairs, *(own.pairs or ())),
        np.concatenate([train.labels, own.labels]),
    )


def _temperature(model: Path, run_id: str) -> card.CalibrationCard | None:
    """The study's: it was fitted on examples that had not trained that run."""
    try:
        found = card.read(model).calibration
    except AdapterError as error:
        raise StudyError(
            f"the model of {run_id} is gone, and its temperature with it",
            found=error.problem,
            remedy="run the study again: the same command makes what is missing",
        ) from error
    if found is None:
        return None
    said = f"taken over from the study's run {run_id}, which validation had not trained"
    return found.model_copy(
        update={"reason": said, "validation_loss_before": None, "validation_loss_after": None}
    )
