"""Carries a study out: from data to ledger, adapters and report; begun again, it goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from weft.config import StudyConfig
from weft.data.sources import load
from weft.data.splits import split
from weft.errors import StudyError
from weft.machine import describe, versions
from weft.study import sessions
from weft.study.choice import LEDGER
from weft.study.growth import grown
from weft.study.ledger import Ledger
from weft.study.lock import held
from weft.study.memory import PeakMemory
from weft.study.notices import Begun, Opened, RunDone, Watcher, Working
from weft.study.plan import ORDER, STEPPED, plan
from weft.study.presets import PUBLISHED, departures, flat, to_toml
from weft.study.record import RunKey, Status
from weft.study.stopping import Stop

__all__ = ["Begun", "Opened", "RunDone", "Working", "open_data", "run_study", "typed_command"]

CONFIG = "study.toml"


def open_data(config: StudyConfig) -> Opened:
    """Reads and checks the data: every fault of theirs shows here, before a model loads."""
    data = load(config.data)
    return Opened(config, data, split(data, config.data, config.sizes))


def run_study(config: StudyConfig, folder: Path, watch: Watcher, command: str) -> bool:
    """Makes every run that the folder's ledger does not hold yet.

    Stopped at any moment and begun again, it goes on from its last checkpoint.

    Args:
        folder: of the study; made where it is not there.
        watch: told what happens.
        command: what the user typed, for the record.

    Returns:
        Whether every run of the study is finished.

    Raises:
        StudyError: the folder holds another study, or another process is working on it.
        KeyboardInterrupt: the user asked to stop.
    """
    opened = open_data(config)
    watch(opened)
    watch(Working(f"looking up the backbone {config.backbone.name}"))
    from weft.nn.source import find

    needs_encoder = any(method != "tfidf" for method in config.methods)
    source = find(config.backbone) if needs_encoder else None
    with held(folder, command):
        return _run(opened, source, folder, watch, command)


def _run(opened: Opened, source: Any, folder: Path, watch: Watcher, command: str) -> bool:
    from weft.methods import Materials
    from weft.nn.backbone import choose_precision
    from weft.study.standing import drop_later_files, go_back
    from weft.training.durable import write_durably

    config = opened.config
    begun = _begun(folder)
    before = _frozen(folder) if begun else None
    wanted = config.backbone.precision
    if wanted == "auto" and before is not None:
        wanted = before.backbone.precision  # a timing that comes out otherwise changes no study
    precision = choose_precision(wanted, config.bank.device)
    config = _same_settings(config, before, folder, precision)
    _adapter_fits(config, len(opened.data.label_names))
    facts = _facts(opened, command)
    identity = {"data": _digest(opened.data.hashes)}
    if source is not None:
        identity["backbone"] = source.sha256
        facts["backbone"] = {
            "name": source.name,
            "origin": source.origin,
            "revision": source.revision,
            "sha256": identity["backbone"],
            "pooling": source.pooling,
            "precision": precision,
        }
    keys = plan(config, opened.splits, identity)
    with Ledger(folder / LEDGER) as ledger:
        known = ledger.facts() if begun else {}
        _same_ground(known, facts, folder)
        grid: dict[str, Any] = {}
        if before is not None:
            sizes = before.sizes or sorted({key.size for key in ledger.keys()})  # noqa: SIM118
            grid = grown(before, config, sizes, opened.splits.sizes)
        frozen = config.model_copy(update=grid)
        write_durably(folder / CONFIG, to_toml(frozen).encode())
        with ledger.together():
            if not begun:
                ledger.forget()
            ledger.plan(keys)
            # by method, those that a checkpoint holds; what came after it is withdrawn
            stand = go_back(folder, ledger, config.methods, watch)
            status = ledger.statuses()
            # a run that failed is tried again, but not by the command that it failed under
            again = set[str]() if sessions.unfinished(known) else set(config.methods) - set(stand)
            waiting = [key for key in keys if _is_wanted(status[key.run_id], key.method in again)]
            if waiting or stand or not known:
                # a command that trains nothing does not change how the runs are said to be made
                ledger.set_facts(_together(known, facts, opened.config.model_copy(update=grid)))
                sessions.begin(ledger, facts)
            if known.get("target") != config.target:  # of the report, so it follows the last
                ledger.set_facts({"target": config.target})
        drop_later_files(folder, ledger, stand.values())
        taken = {run: n for snapshot in stand.values() for run, n in snapshot.seated.items()}
        watch(Begun(keys, waiting, facts, taken))
        data = opened.data
        materials = Materials(config, opened.splits, data.label_names, data.positive, source)
        making = _Making(opened, materials, ledger, folder, watch)
        for method in sorted(set(config.methods), key=ORDER.index):
            snapshot = stand.pop(method, None)
            resumed: list[str] = []
            if snapshot is not None:
                resumed = [*snapshot.seated, *snapshot.waiting]
                making.go_on(method, resumed, snapshot)
            own = [key for key in waiting if key.method == method and key.run_id not in resumed]
            if own:
                made = [key for key in keys if key.method == method and key not in own]
                making.make(method, own, made)
        status = ledger.statuses()
        sessions.end(ledger)
    return all(status[key.run_id] == "done" for key in keys)


@dataclass(frozen=True)
class _Making:
    """Makes runs of one method after the other."""

    opened: Opened
    materials: Any
    ledger: Ledger
    folder: Path
    watch: Watcher

    def make(self, method: str, keys: Sequence[RunKey], made: Sequence[RunKey]) -> None:
        """From the start; `made` are the others of the same method that the command asks for."""
        from weft.methods.base import Before

        self.watch(Working(f"{method}: {len(keys)} runs"))
        self._make(method, keys, Before(made=[_item(key) for key in made]))

    def go_on(self, method: str, run_ids: Sequence[str], snapshot: Any) -> None:
        """From where the snapshot stands; its runs may be more than the command asks for."""
        from weft.methods.base import Before

        by_id = {key.run_id: key for key in self.ledger.keys()}  # noqa: SIM118 (it is no dict)
        here, waiting = len(snapshot.seated), len(snapshot.waiting)
        self.watch(Working(f"{method}: goes on in the middle of {here} runs, {waiting} waiting"))
        self._make(method, [by_id[run_id] for run_id in run_ids], Before(snapshot=snapshot))

    def _make(self, method: str, keys: Sequence[RunKey], before: Any) -> None:
        from weft.methods import make
        from weft.study.checkpoints import Checkpoints
        from weft.study.recording import Recorder

        opened, ledger = self.opened, self.ledger
        checkpoints = Checkpoints(self.folder, method, ledger) if method in STEPPED else None
        by_id = {key.run_id: key for key in keys}
        with PeakMemory() as memory, Stop(patient=checkpoints is not None) as stop:
            recorder = Recorder(
                self.folder,
                by_id,
                opened.data,
                opened.splits,
                ledger,
                memory,
                checkpoints,
                stop,
                self.watch,
            )
            for event in make(method, self.materials).run([_item(key) for key in keys], before):
                recorder.take(event)


def _is_wanted(status: Status, again: bool) -> bool:
    return status in ("planned", "running") or (status == "failed" and again)


def _item(key: RunKey) -> Any:
    from weft.methods.base import Item

    return Item(key.run_id, key.size, key.seed)


def _together(known: dict[str, Any], facts: dict[str, Any], config: StudyConfig) -> dict[str, Any]:
    """The facts of a study that grows: the first command stays, the rest is of all commands."""
    if not known:
        return facts
    kept = {key: value for key, value in facts.items() if key not in sessions.OF_THE_FIRST}
    counts = dict(facts["data"]["label_counts"])
    before = known.get("data", {}).get("label_counts", {}).get("train", {})
    counts["train"] = before | counts["train"]
    kept["data"] = {**facts["data"], "label_counts": counts}
    kept["config"] = config.model_dump(mode="json")
    kept["departures"] = departures(config)
    return kept


def _adapter_fits(config: StudyConfig, classes: int) -> None:
    """Refuses, before anything is written, an adapter that this encoder has no layer for.

    Raises:
        ConfigError: no layer bears a wanted name.
    """
    if config.lora.target_modules is None or not {"lora", "probe"} & set(config.methods):
        return
    from weft.nn.shapes import target_names
    from weft.nn.skeleton import skeleton

    model, head, _ = skeleton(config.backbone, classes)
    target_names(model, config.lora, head)


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
    """The configuration of the study in the folder; None if it says none."""
    from weft.study.presets import resolve

    path = folder / CONFIG
    return resolve(str(path), {}) if path.exists() else None


def _begun(folder: Path) -> bool:
    """Whether a run of the folder's study has begun; until then its settings are free."""
    if not (folder / LEDGER).is_file() or (folder / LEDGER).stat().st_size == 0:
        return False
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        return bool(set(ledger.statuses().values()) - {"planned"})


def _same_settings(
    config: StudyConfig, before: StudyConfig | None, folder: Path, precision: str
) -> StudyConfig:
    """The configuration with its precision, held against the one that lies in the folder.

    Sizes, seeds and methods may grow; all else decides what the runs in the folder are. A method's
    own settings are free as long as no run of it was planned.
    """
    backbone = config.backbone.model_copy(update={"precision": precision})
    config = config.model_copy(update={"backbone": backbone})
    if before is None:
        return config
    there, now = flat(before.model_dump()), flat(config.model_dump())
    free = {"sizes", "seeds", "seeds_at", "methods", "name", "target", "data.folder", "bank.slots"}
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
