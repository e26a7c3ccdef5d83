"""A study's winning recipe on all its labels, those that selected among them. No torch.

Nothing is left to select or to stop a run, so it trains as long as validation let the study's runs
train: the second strategy of Goodfellow, Bengio and Courville, Deep Learning (2016), section 7.8,
with steps counted rather than passes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.config import StudyConfig
from weft.data.examples import Examples, LabelledText
from weft.data.sources import load
from weft.data.splits import split
from weft.errors import AdapterError, StudyError, TrainingError
from weft.export import card
from weft.study.choice import LEDGER, MODEL
from weft.study.ground import same_ground
from weft.study.ledger import Ledger
from weft.study.lock import FILE, held
from weft.study.notices import Opened, RunDone, Watcher, Working
from weft.study.plan import Given
from weft.study.predictions import read_probabilities
from weft.study.record import RunKey
from weft.study.room import room
from weft.study.run_record import STUDY
from weft.study.runner import carry_out
from weft.study.winner import Winner, found_by
from weft.training.durable import sync

WORK = ".refit"
"""Folder of the training inside that of the model."""


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
    extra: dict[str, Any]
    """As `Outcome.extra`."""


def refit(
    study: Path,
    chosen: Winner,
    out: Path,
    watch: Watcher,
    command: str,
    describe: Callable[[Refitted], None],
) -> None:
    """Trains the winner's recipe on all labels and saves the model with the study's temperature.

    Until the model is made and described, the training is a study of one run in a folder of its
    own inside the model's: so it goes on where it was stopped.

    Args:
        study: its folder.
        chosen: with the place of its data and of its backbone, where these have moved.
        out: of the model; made where it is not there.
        watch: told what happens.
        command: what the user typed, for the record.
        describe: writes beside the model what is said of it.

    Raises:
        StudyError: data or backbone are not those of the study; what was stopped in this place
            follows from something else; another process is at it; or the place is that of a
            study's own model, or holds files of somebody else that the model's would replace.
        TrainingError: the loss is no number any more.
        KeyboardInterrupt: the user asked to stop, and what there is to go on from is kept.
    """
    from weft.nn.source import find
    from weft.study.recording import PREDICTIONS

    _refuse_taken(out)
    data = load(chosen.config.data)
    source = None if chosen.key.method == "tfidf" else find(chosen.config.backbone)
    now: dict[str, Any] = {"data": {"hashes": data.hashes}}
    if source is not None:
        now["backbone"] = {"sha256": source.sha256, "hashes": source.hashes}
    with Ledger(study / LEDGER, readonly=True) as ledger:
        same_ground(ledger.facts(), now, study)
    opened = _opened(chosen.config, chosen.key.method, data)
    temperature = _temperature(study / "runs" / chosen.key.run_id / MODEL, chosen.key.run_id)
    with room(out, opened), _place(out, command) as folder:
        given = _given(chosen, len(opened.splits.pool))
        steps, seen = _length(given, chosen)
        watch(opened)
        length = "" if steps is None else f"; {steps:,} steps as found, {seen:,} examples"
        every = f"{chosen.key.name}: from all {given.key.size:,} labels"
        watch(Working(f"{every}{length}; nothing selects"))
        told = partial(_pass_on, watch)
        if not carry_out(opened, source, folder, told, command, given):
            with Ledger(folder / LEDGER, readonly=True) as ledger:
                (why,) = cast("Any", ledger.runs())["error"]
            _clear(folder)
            raise TrainingError(why, remedy="run the study with a lower learning rate")
        place = folder / "runs" / given.key.run_id
        _put_model(place / MODEL, temperature, out)
        test = read_probabilities(place / PREDICTIONS)["test"].probabilities
        with Ledger(folder / LEDGER, readonly=True) as ledger:
            outcome = ledger.outcome(given.key.run_id)
        assert outcome is not None, "it was carried out"
        describe(Refitted(chosen, data, given.key.size, steps, seen, test, outcome.extra))
        for name in card.MODEL_FILES:
            if (out / name).exists():
                sync(out / name)
        sync(out)
        sync(out.parent)
        _clear(folder)


def _refuse_taken(out: Path) -> None:
    """A model takes the place of another model, and of nothing else."""
    places = (out.resolve(), *out.resolve().parents)
    if any(place.name == "runs" and (place.parent / LEDGER).is_file() for place in places):
        raise StudyError(
            f"{out} lies among the runs of a study",
            remedy="name a folder outside the study with --out",
        )
    others = [name for name in card.MODEL_FILES if (out / name).is_file()]
    if others and not (out / card.FILE).is_file() and not (out / WORK / LEDGER).is_file():
        raise StudyError(
            f"{out} holds files that the model's would replace, and is no model of weft's",
            found=", ".join(others),
            remedy="name another folder with --out",
        )


def _opened(config: StudyConfig, method: str, data: LabelledText) -> Opened:
    """The data as the study opened them, but all labels train, those that selected among them."""
    every = _all_labels(data)
    splits = split(data, config.data, config.sizes)
    splits = replace(splits, pool=every, available=len(every), sizes=(len(every),), notes=())
    alone: dict[str, Any] = {"methods": (method,), "sizes": splits.sizes, "seeds": 1}
    return Opened(config.model_copy(update=alone | {"seeds_at": {}, "grid": {}}), data, splits)


def _given(chosen: Winner, labels: int) -> Given:
    """The one run there is, and what it follows from."""
    found = found_by(chosen)
    length = found.length
    origin = {"run": chosen.key.run_id, "C": found.c}
    if length is not None:
        origin |= {"steps": length.steps, "horizon": length.horizon}
    return Given(RunKey("all-labels", chosen.key.method, labels, 0), found, origin)


def _length(given: Given, chosen: Winner) -> tuple[int | None, int | None]:
    """Steps and examples, where the method takes steps."""
    length = given.found.length
    if length is None:
        return None, None
    return length.steps, _examples(length.steps, given.key.size, chosen.config.recipe.batch_size)


def _pass_on(watch: Watcher, event: object) -> None:
    """All but what tells a validation score, which is none here; a failure is raised instead."""
    from weft.training.events import EpochEnd, RunFailed

    if not isinstance(event, EpochEnd | RunDone | RunFailed):
        watch(event)


@contextmanager
def _place(out: Path, command: str) -> Generator[Path]:
    """The folder of the training, held; gone where it holds nothing in the end."""
    made = [place for place in (out, *out.parents) if not place.exists()]
    try:
        with held(out / WORK, command):
            yield out / WORK
    finally:
        for empty in (out / WORK, *made):
            with suppress(OSError):  # it holds something, or went with the lock
                empty.rmdir()


def _clear(folder: Path) -> None:
    """Empties the training's folder: first of what says that something was begun in it."""
    for name in (f"runs/{STUDY}", LEDGER):
        (folder / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != FILE:  # which goes with the lock
            path.unlink()


def _put_model(model: Path, temperature: card.CalibrationCard | None, out: Path) -> None:
    """The model that was trained, with another temperature, in the place of what lay there."""
    for name in card.MODEL_FILES:  # of what lay there, which may be another method's
        (out / name).unlink(missing_ok=True)
    own = card.read(model).model_copy(update={"calibration": temperature})
    shutil.copytree(model, out, ignore=shutil.ignore_patterns(card.FILE), dirs_exist_ok=True)
    card.write(out, own)  # the last: without it there is no model


def _examples(steps: int, labels: int, batch_size: int) -> int:
    """That so many steps train on; a pass's last batch may be smaller."""
    passes, rest = divmod(steps, -(-labels // batch_size))
    return passes * labels + min(rest * batch_size, labels)


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
