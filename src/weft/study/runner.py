"""Carries a study out: from data to ledger, adapters and report; begun again, it goes on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.config import StudyConfig
from weft.data.sources import load
from weft.data.splits import split
from weft.study import sessions
from weft.study.choice import LEDGER
from weft.study.facts import facts_of, facts_of_backbone, together
from weft.study.ground import CONFIG, adapter_fits, begun, same_ground, same_settings, settings_of
from weft.study.growth import grown
from weft.study.ledger import Ledger
from weft.study.lock import held
from weft.study.memory import PeakMemory
from weft.study.notices import Begun, Opened, Watcher, Working
from weft.study.plan import ORDER, STEPPED, plan
from weft.study.presets import to_toml
from weft.study.record import RunKey, Status
from weft.study.stopping import Stop
from weft.study.variants import config_of, sharing, variants


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
    went_on = begun(folder)
    before = settings_of(folder) if went_on else None
    wanted = config.backbone.precision
    if wanted == "auto" and before is not None:
        wanted = before.backbone.precision  # a timing that comes out otherwise changes no study
    precision = choose_precision(wanted, config.bank.device)
    config = same_settings(config, before, folder, precision)
    adapter_fits(config, len(opened.data.label_names))
    facts = facts_of(opened, command)
    identity = {"data": _digest(opened.data.hashes)}
    if source is not None:
        identity["backbone"] = source.sha256
        facts["backbone"] = facts_of_backbone(config, source)
    keys = plan(config, opened.splits, identity)
    with Ledger(folder / LEDGER) as ledger:
        known = ledger.facts() if went_on else {}
        same_ground(known, facts, folder)
        grid: dict[str, Any] = {}
        if before is not None:
            sizes = before.sizes or sorted({key.size for key in ledger.keys()})  # noqa: SIM118
            grid = grown(before, config, sizes, opened.splits.sizes)
        frozen = config.model_copy(update=grid)
        write_durably(folder / CONFIG, to_toml(frozen).encode())
        with ledger.together():
            if not went_on:
                ledger.forget()
            ledger.plan(keys)
            # by method, those that a checkpoint holds; what came after it is withdrawn
            stand = go_back(folder, ledger, config, watch)
            status = ledger.statuses()
            # a run that failed is tried again, but not by the command that it failed under
            again = set[str]() if sessions.unfinished(known) else set(config.methods) - set(stand)
            waiting = [key for key in keys if _is_wanted(status[key.run_id], key.method in again)]
            if waiting or stand or not known:
                # a command that trains nothing does not change how the runs are said to be made
                ledger.set_facts(together(known, facts, opened.config.model_copy(update=grid)))
                sessions.begin(ledger, facts)
            if known.get("target") != config.target:  # of the report, so it follows the last
                ledger.set_facts({"target": config.target})
        drop_later_files(folder, ledger, stand.values())
        taken = {run: n for snapshot in stand.values() for run, n in snapshot.seated.items()}
        held_too = {run for snapshot in stand.values() for run in snapshot.waiting} | set(taken)
        held_too -= {key.run_id for key in keys}
        besides = [key for key in ledger.keys() if key.run_id in held_too]  # noqa: SIM118
        watch(Begun(keys, waiting, facts, taken, besides))
        data = opened.data
        materials = Materials(config, opened.splits, data.label_names, data.positive, source)
        making = _Making(opened, materials, ledger, folder, watch)
        for method in sorted(set(config.methods), key=ORDER.index):
            snapshot = stand.pop(method, None)
            resumed: list[str] = []
            if snapshot is not None:
                resumed = [*snapshot.seated, *snapshot.waiting]
                making.go_on(method, resumed, snapshot)
            wanted = {key.run_id for key in waiting} - set(resumed)
            for part in sharing(config, (key for key in keys if key.method == method)):
                own = [run for run in part if run[0].run_id in wanted]
                if own:
                    making.make(method, own, [run for run in part if run not in own])
        status = ledger.statuses()
        sessions.end(ledger)
    return all(status[key.run_id] == "done" for key in keys)


_Run = tuple[RunKey, StudyConfig]
"""A run and its settings."""


@dataclass(frozen=True)
class _Making:
    """Makes runs of one method after the other."""

    opened: Opened
    materials: Any
    ledger: Ledger
    folder: Path
    watch: Watcher

    def make(self, method: str, runs: Sequence[_Run], made: Sequence[_Run]) -> None:
        """From the start, in one bank; `made` are the others that would share it."""
        from weft.methods.base import Before

        self.watch(Working(f"{method}: {len(runs)} runs{self._which(runs)}"))
        self._make(method, runs, Before(made=[_item(run) for run in made]))

    def go_on(self, method: str, run_ids: Sequence[str], snapshot: Any) -> None:
        """From where the snapshot stands; its runs may be more than the command asks for."""
        from weft.methods.base import Before

        by_id = {key.run_id: key for key in self.ledger.keys()}  # noqa: SIM118 (it is no dict)
        here, waiting = len(snapshot.seated), len(snapshot.waiting)
        self.watch(Working(f"{method}: goes on in the middle of {here} runs, {waiting} waiting"))
        keys = [by_id[run_id] for run_id in run_ids]
        runs = [(key, config_of(self.materials.config, key)) for key in keys]
        self._make(method, runs, Before(snapshot=snapshot))

    def _which(self, runs: Sequence[_Run]) -> str:
        """Of which settings on the grid these runs are, where their method has several."""
        labels = {key.variant for key, _ in runs}
        if len(variants(self.materials.config, runs[0][0].method)) == 1:
            return ""
        return f" of {runs[0][0].variant}" if len(labels) == 1 else f" of {len(labels)} settings"

    def _make(self, method: str, runs: Sequence[_Run], before: Any) -> None:
        from weft.methods import make
        from weft.study.checkpoints import Checkpoints
        from weft.study.recording import Recorder

        opened, ledger = self.opened, self.ledger
        checkpoints = Checkpoints(self.folder, method, ledger) if method in STEPPED else None
        by_id = {key.run_id: key for key, _ in runs}
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
            work = make(method, self.materials.of(runs[0][1]))
            for event in work.run([_item(run) for run in runs], before):
                recorder.take(event)


def _is_wanted(status: Status, again: bool) -> bool:
    return status in ("planned", "running") or (status == "failed" and again)


def _item(run: _Run) -> Any:
    from weft.methods.base import Item

    key, config = run
    return Item(key.run_id, key.size, key.seed, config)


def _digest(hashes: dict[str, str]) -> str:
    return ",".join(f"{name}={digest}" for name, digest in sorted(hashes.items()))


def typed_command() -> str:
    """The command line of this process, as a user would type it."""
    import shlex

    return shlex.join(["weft", *sys.argv[1:]])
