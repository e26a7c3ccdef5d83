"""Carries a study out: from data to ledger, adapters and report; begun again, it goes on."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from weft.config import StudyConfig
from weft.data.examples import LabelledText
from weft.data.sources import load
from weft.data.splits import Splits, split
from weft.errors import StudyError
from weft.evidence.metrics import score
from weft.machine import describe, versions
from weft.study.choice import LEDGER, MODEL
from weft.study.ledger import Ledger
from weft.study.memory import PeakMemory
from weft.study.plan import ORDER, STEPPED, plan
from weft.study.predictions import write_predictions
from weft.study.presets import IDLE, PUBLISHED, departures, flat, to_toml
from weft.study.record import EpochRow, Outcome, RunKey
from weft.study.variants import sharing, variants

CONFIG = "study.toml"
_CHECKPOINTED = tuple(method for method in STEPPED if method != "full")
"""Methods that leave a checkpoint an epoch. One of full fine-tuning is as large as the whole model:
of its epochs the best alone is kept, which is the saved model."""

Watcher = Callable[[object], None]
"""Told of everything that happens: the training events and the notices below."""


@dataclass(frozen=True)
class Opened:
    """The data are read, split and checked; nothing is loaded yet."""

    config: StudyConfig
    data: LabelledText
    splits: Splits


@dataclass(frozen=True)
class Begun:
    """The study's runs are known."""

    keys: Sequence[RunKey]
    waiting: Sequence[RunKey]  # those not finished before
    facts: dict[str, Any]


@dataclass(frozen=True)
class Working:
    """A part of the work begins."""

    what: str


@dataclass(frozen=True)
class RunDone:
    """One run is finished and in the ledger."""

    key: RunKey
    outcome: Outcome


def open_data(config: StudyConfig) -> Opened:
    """Reads and checks the data: every fault of theirs shows here, before a model loads."""
    data = load(config.data)
    return Opened(config, data, split(data, config.data, config.sizes))


def run_study(config: StudyConfig, folder: Path, watch: Watcher, command: str) -> bool:
    """Makes every run that the folder's ledger does not hold yet.

    Args:
        folder: of the study; made where it is not there.
        watch: told what happens.
        command: what the user typed, for the record.

    Returns:
        Whether every run of the study is finished.

    Raises:
        StudyError: the folder holds another study.
    """
    opened = open_data(config)
    watch(opened)
    watch(Working(f"looking up the backbone {config.backbone.name}"))
    from weft.methods import Materials, make
    from weft.nn.backbone import choose_precision
    from weft.nn.source import find

    needs_encoder = any(method != "tfidf" for method in config.methods)
    source = find(config.backbone) if needs_encoder else None
    before = _frozen(folder)
    wanted = config.backbone.precision
    if wanted == "auto" and before is not None:
        wanted = before.backbone.precision  # a timing that comes out otherwise changes no study
    precision = choose_precision(wanted, config.bank.device)
    frozen = _same_settings(config, before, folder, precision)
    facts = _facts(opened, command)
    identity = {"data": _digest(opened.data.hashes)}
    if source is not None:
        identity["backbone"] = source.sha256
        facts["backbone"] = {
            "name": source.name,
            "origin": source.origin,
            "revision": source.revision,
            "sha256": identity["backbone"],
            "pooling": " and ".join(_poolings(frozen, source)),
            "precision": " and ".join(
                map(str, frozen.grid.get("backbone.precision", (precision,)))
            ),
        }
    keys = plan(frozen, opened.splits, identity)
    with Ledger(folder / LEDGER) as ledger:
        known = ledger.facts()
        _same_ground(known, facts, folder)
        (folder / CONFIG).write_text(to_toml(frozen), encoding="utf-8")
        ledger.plan(keys)
        status = ledger.statuses()
        waiting = [key for key in keys if status[key.run_id] != "done"]
        if waiting or not known:
            # a command that trains nothing does not change how the runs are said to be made
            ledger.set_facts(facts)
        if known.get("target") != frozen.target:  # of the report, so it follows the last command
            ledger.set_facts({"target": frozen.target})
        watch(Begun(keys, waiting, facts))
        data = opened.data
        materials = Materials(frozen, opened.splits, data.label_names, data.positive, source)
        for method in sorted(set(config.methods), key=ORDER.index):
            own = [key for key in waiting if key.method == method]
            for part in sharing(frozen, own):
                watch(Working(f"{method}: {len(part)} runs{_which(frozen, part)}"))
                with PeakMemory() as memory:
                    work = make(method, materials.of(part[0][1]))
                    _run_method(work, part, opened, ledger, folder, watch, memory)
                    del work
        status = ledger.statuses()
    return all(status[key.run_id] == "done" for key in keys)


def _poolings(config: StudyConfig, source: Any) -> list[str]:
    """How texts become vectors in the study's runs."""
    from weft.nn.source import pooling_of

    wanted = config.grid.get("backbone.pooling", (source.pooling,))
    settings = [config.backbone.model_copy(update={"pooling": one}) for one in wanted]
    return sorted({pooling_of(one, source.folder) for one in settings})


def _which(config: StudyConfig, runs: Sequence[tuple[RunKey, StudyConfig]]) -> str:
    """Of which settings on the grid these runs are, where a method has several."""
    labels = {key.variant for key, _ in runs}
    there = len(variants(config, runs[0][0].method))
    if there == 1:
        return ""
    return f" of {runs[0][0].variant}" if len(labels) == 1 else f" of {len(labels)} settings"


def _run_method(
    method: Any,
    runs: Sequence[tuple[RunKey, StudyConfig]],
    opened: Opened,
    ledger: Ledger,
    folder: Path,
    watch: Watcher,
    memory: PeakMemory,
) -> None:
    from weft.methods.base import Done, Item
    from weft.training.checkpoint import save_checkpoint
    from weft.training.events import EpochEnd, RunFailed

    by_id = {key.run_id: key for key, _ in runs}
    for key in by_id.values():
        shutil.rmtree(folder / "runs" / key.run_id, ignore_errors=True)
        ledger.start(key.run_id)
    for event in method.run([Item(k.run_id, k.size, k.seed, own) for k, own in runs]):
        match event:
            case EpochEnd():
                row = EpochRow(
                    epoch=event.epoch,
                    step=event.step,
                    train_loss=event.train_loss,
                    train_accuracy=event.train_accuracy,
                    validation_loss=event.validation_loss,
                    validation_accuracy=event.validation_accuracy,
                    learning_rate=event.learning_rate,
                    seconds=event.seconds,
                )
                if by_id[event.run_id].method in _CHECKPOINTED:
                    checkpoints = folder / "runs" / event.run_id / "checkpoints"
                    save_checkpoint(checkpoints / f"epoch-{event.epoch}.safetensors", event.state)
                ledger.epoch(event.run_id, row)
            case Done():
                key = by_id[event.run_id]
                outcome = _finish(event, key, opened, folder, memory)
                ledger.finish(event.run_id, outcome)
                watch(RunDone(key, outcome))
            case RunFailed():
                ledger.fail(event.run_id, event.reason)
            case _:
                pass
        watch(event)


def _finish(done: Any, key: RunKey, opened: Opened, folder: Path, memory: PeakMemory) -> Outcome:
    place = folder / "runs" / key.run_id
    model = place / MODEL
    model.mkdir(parents=True, exist_ok=True)
    taken = memory.bytes  # before it is saved: that asks for more, and is no part of training
    splits, data = opened.splits, opened.data
    from weft.methods.calibrated import save_calibrated

    calibration = save_calibrated(done, splits.validation.labels, model)
    write_predictions(
        place / "predictions.parquet",
        data.label_names,
        {"validation": splits.validation.labels, "test": splits.test.labels},
        {"validation": done.validation, "test": done.test},
    )
    judged = partial(score, positive=data.positive)
    return Outcome(
        validation=judged(splits.validation.labels, done.validation),
        test=judged(splits.test.labels, done.test),
        trainable=done.trainable,
        total=done.total,
        epochs=done.epochs,
        best_epoch=done.best_epoch,
        seconds=done.seconds,
        examples_per_second=done.examples_per_second,
        peak_memory_bytes=taken,
        model_bytes=sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
        folder=f"runs/{key.run_id}",
        extra={**done.extra, "temperature": calibration.temperature},
    )


def _facts(opened: Opened, command: str) -> dict[str, Any]:
    config, data, splits = opened.config, opened.data, opened.splits
    facts: dict[str, Any] = {
        "name": config.name,
        "command": command,
        "config": config.model_dump(mode="json"),
        "departures": departures(config),
        "data": {
            "name": data.name,
            "origin": data.origin,
            "label_names": list(data.label_names),
            "positive": data.positive,
            "hashes": data.hashes,
            "notes": [*data.notes, *splits.notes],
            "train": len(splits.pool),
            "validation": len(splits.validation),
            "test": len(splits.test),
            "balance": splits.balance,
            "label_counts": _label_counts(opened),
        },
        "versions": versions(),
        "machine": describe(),
        "date": time.strftime("%Y-%m-%d"),
    }
    if config.data.source == "sst2":
        facts["published"] = PUBLISHED
    return facts


def _label_counts(opened: Opened) -> dict[str, Any]:
    """How many examples of each class the pool has, and a training set of each size.

    Seed 0 stands for all: at one size, two seeds differ by one example a class at most.
    """
    splits, classes = opened.splits, len(opened.data.label_names)
    drawn = splits.pool.labels[splits.order(0)]

    def counts(size: int) -> list[int]:
        return np.bincount(drawn[:size], minlength=classes).tolist()

    train = {str(size): counts(size) for size in splits.sizes}
    return {"pool": counts(len(drawn)), "train": train}


def _frozen(folder: Path) -> StudyConfig | None:
    """The configuration of the study in the folder; None if there is none yet."""
    from weft.study.presets import resolve

    path = folder / CONFIG
    return resolve(str(path), {}) if path.exists() else None


def _same_settings(
    config: StudyConfig, before: StudyConfig | None, folder: Path, precision: str
) -> StudyConfig:
    """The configuration with its precision, held against the one that lies in the folder.

    Sizes, seeds, methods and the grid may change; all else decides what the runs in the folder are.
    A method's own settings are free as long as no run of it was planned.
    """
    backbone = config.backbone.model_copy(update={"precision": precision})
    config = config.model_copy(update={"backbone": backbone})
    if before is None:
        return config
    there, now = flat(before.model_dump()), flat(config.model_dump())
    free = IDLE | {"sizes", "seeds", "seeds_at", "methods"}
    free |= {key for key in now if key.startswith("grid.")}
    free |= {f"{method}.learning_rate" for method in {"bitfit", "full"} - _planned(folder)}
    odd = [key for key in now if key not in free and now[key] != there.get(key)]
    if odd:
        raise StudyError(
            f"{folder} holds a study with other settings",
            found="; ".join(f"{k}: {there.get(k)} there, {now[k]} asked for" for k in odd),
            remedy="give another folder with --out, or the same settings to go on with it",
        )
    return config


def _planned(folder: Path) -> set[str]:
    """The methods that the folder's ledger knows a run of."""
    if not (folder / LEDGER).is_file():
        return set()
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        return {key.method for key in ledger.keys()}  # noqa: SIM118 (a ledger is no dict)


def _same_ground(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    for part, key, what in (
        ("data", "hashes", "the data"),
        ("backbone", "sha256", "the backbone's weights"),
    ):
        old, new = before.get(part, {}).get(key), now.get(part, {}).get(key)
        if old is not None and new is not None and old != new:
            raise StudyError(
                f"{what} are not those that the study in {folder} began with",
                found=f"sha256 {_short(new)}; there {_short(old)}",
                remedy="put the old ones back, or begin another study with --out",
            )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        hashes = cast("dict[str, Any]", value)
        return ", ".join(f"{name} {str(digest)[:12]}" for name, digest in sorted(hashes.items()))
    return str(value)[:12]


def _digest(hashes: dict[str, str]) -> str:
    return ",".join(f"{name}={digest}" for name, digest in sorted(hashes.items()))


def typed_command() -> str:
    """The command line of this process, as a user would type it."""
    import shlex

    return shlex.join(["weft", *sys.argv[1:]])
