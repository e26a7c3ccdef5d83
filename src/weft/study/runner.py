"""Carries a study out: from data to ledger, adapters and report; begun again, it goes on."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from weft.config import StudyConfig
from weft.data.sources import load
from weft.data.splits import split
from weft.study import sessions
from weft.study.choice import LEDGER
from weft.study.facts import facts_of, facts_of_backbone, together
from weft.study.ground import (
    CONFIG,
    ORIGIN,
    begun,
    changed_since,
    encoder_fits,
    same_ground,
    same_settings,
    settings_of,
)
from weft.study.growth import grown
from weft.study.ledger import Ledger
from weft.study.lock import held
from weft.study.making import Making
from weft.study.notices import Begun, Opened, Watcher, Working
from weft.study.plan import ORDER, Given, plan
from weft.study.presets import to_toml
from weft.study.rebuilt import mend
from weft.study.record import Status
from weft.study.room import room
from weft.study.run_record import RUN, write_study
from weft.study.variants import sharing


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
    # beside the imports that follow: hashing half a gigabyte leaves Python free meanwhile
    Thread(target=_hash, args=(source,), daemon=True).start()
    with room(folder, opened), held(folder, command):
        return carry_out(opened, source, folder, watch, command)


def carry_out(
    opened: Opened,
    source: Any,
    folder: Path,
    watch: Watcher,
    command: str,
    given: Given | None = None,
) -> bool:
    """`run_study` on data that are read, in a folder that this process holds.

    Args:
        opened: with the configuration.
        source: the encoder's files; None: no method needs any.
        folder: of the study.
        watch: told what happens.
        command: what the user typed, for the record.
        given: the one run to be made; None: those that the configuration plans.
    """
    mend(folder, lambda what: watch(Working(what)))
    from weft.methods import Materials
    from weft.nn.backbone import choose_precision
    from weft.study.standing import after_kills, drop_later_files, go_back
    from weft.training.durable import write_durably

    config = opened.config
    went_on = begun(folder)
    before = settings_of(folder) if went_on else None
    wanted = config.backbone.precision
    if wanted == "auto" and before is not None:
        wanted = before.backbone.precision  # a timing that comes out otherwise changes no study
    precision = choose_precision(wanted, config.bank.device)
    config = same_settings(config, before, folder, precision)
    if source is not None:
        encoder_fits(config, source, len(opened.data.label_names))
    facts = facts_of(opened, command)
    identity = {"data": _digest(opened.data.hashes)}
    if source is not None:
        identity["backbone"] = source.sha256
        facts["backbone"] = facts_of_backbone(config, source)
    if given is not None:
        facts[ORIGIN] = given.origin
    keys = plan(config, opened.splits, identity) if given is None else [given.key]
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
            stand = after_kills(folder, ledger, config, stand, watch)
            status = ledger.statuses()
            # a run that failed is tried again, but not by the command that it failed under
            again = set[str]() if sessions.unfinished(known) else set(config.methods) - set(stand)
            waiting = [key for key in keys if _is_wanted(status[key.run_id], key.method in again)]
            if waiting or stand or not known:
                # a command that trains nothing does not change how the runs are said to be made
                ledger.set_facts(together(known, facts, opened.config.model_copy(update=grid)))
                sessions.begin(ledger, facts)
                # from here on they are as wanted as any, whenever this command is stopped
                failed = [key.run_id for key in waiting if status[key.run_id] == "failed"]
                ledger.go_back(dict.fromkeys(failed))
                for run_id in failed:  # of which a ledger would be rebuilt
                    (folder / "runs" / run_id / RUN).unlink(missing_ok=True)
            if known.get("target") != config.target:  # of the report, so it follows the last
                ledger.set_facts({"target": config.target})
        write_study(folder, ledger)
        drop_later_files(folder, ledger, stand.values())
        taken = {run: n for snapshot in stand.values() for run, n in snapshot.begun.items()}
        held_too = {run for snapshot in stand.values() for run in snapshot.waiting} | set(taken)
        held_too -= {key.run_id for key in keys}
        besides = [key for key in ledger.keys() if key.run_id in held_too]  # noqa: SIM118
        last = {} if given is None else given.last
        watch(Begun(keys, waiting, facts, taken, besides, last))
        data = opened.data
        materials = Materials(config, opened.splits, data.label_names, data.positive, source)
        making = Making(opened, materials, ledger, folder, watch, {}, given)
        for method in sorted(set(config.methods), key=ORDER.index):
            snapshot = stand.pop(method, None)
            resumed = set[str]()
            if snapshot is not None:
                resumed = {*snapshot.begun, *snapshot.waiting}
                making.go_on(method, snapshot)
            wanted = {key.run_id for key in waiting} - resumed
            for part in sharing(config, (key for key in keys if key.method == method)):
                own = [run for run in part if run[0].run_id in wanted]
                if own:
                    making.make(method, own, [run for run in part if run not in own])
        status = ledger.statuses()
        for name in changed_since(config.data, data.hashes):
            watch(
                Working(
                    f"warning: {name} is not what it was when this command read it: all runs are "
                    "of what was read then, and going on with this study takes that file again"
                )
            )
        sessions.end(ledger, making.fill)
        write_study(folder, ledger)
    return all(status[key.run_id] == "done" for key in keys)


def _is_wanted(status: Status, again: bool) -> bool:
    return status in ("planned", "running") or (status == "failed" and again)


def _hash(source: Any) -> None:
    """Has the backbone's hash computed; whoever asks for it is told what goes wrong."""
    with suppress(OSError, AttributeError):  # without a backbone there is none
        _ = source.sha256


def _digest(hashes: dict[str, str]) -> str:
    return ",".join(f"{name}={digest}" for name, digest in sorted(hashes.items()))


def typed_command() -> str:
    """The command line of this process, as a user would type it."""
    import shlex

    return shlex.join(["weft", *sys.argv[1:]])
