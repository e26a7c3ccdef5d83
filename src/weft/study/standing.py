"""Goes back to where a study's checkpoints stand: ledger and files say no more than they do."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from weft.config import StudyConfig
from weft.study import sessions, starved
from weft.study.checkpoints import Checkpoints
from weft.study.choice import MODEL
from weft.study.ledger import Ledger
from weft.study.notices import Watcher, Working
from weft.study.plan import ORDER, STEPPED
from weft.study.recording import PREDICTIONS, epoch_file
from weft.study.run_record import RUN, write_study
from weft.study.variants import has
from weft.training.snapshot import Snapshot, split


def go_back(
    folder: Path, ledger: Ledger, config: StudyConfig, watch: Watcher
) -> dict[str, Snapshot]:
    """The snapshot of each method that was stopped in the middle.

    What its runs wrote after it is withdrawn: it is made again, and comes out the same. To be
    called in the ledger transaction that resumes.

    Args:
        folder: the study's.
        config: what is asked for: its methods go on. A checkpoint with a run of settings that its
            grid does not have is let go, since those settings are not known here.
        watch: told where a checkpoint is not what it was.
    """
    found: dict[str, Snapshot] = {}
    keys = ledger.keys()
    known = {key.run_id for key in keys if has(config, key)}
    for method in config.methods:
        if method not in STEPPED:
            continue
        checkpoints = Checkpoints(folder, method, ledger)
        snapshot = checkpoints.latest(lambda what: watch(Working(what)))
        if snapshot is None or not {*snapshot.begun, *snapshot.waiting} <= known:
            checkpoints.forget()
            continue
        found[method] = snapshot
        ledger.go_back({**snapshot.begun, **dict.fromkeys(snapshot.waiting)})
    return found


def fewer_slots(
    folder: Path, ledger: Ledger, method: str, had: int, why: str, watch: Watcher
) -> Snapshot | None:
    """Halves a method's bank from its last checkpoint on, and writes that down.

    Args:
        had: slots of the bank that was too large.

    Returns:
        The snapshot to go on from, a checkpoint by now; None where none was written yet.
    """
    checkpoints = Checkpoints(folder, method, ledger)
    with ledger.together():
        snapshot = checkpoints.latest(lambda what: watch(Working(what)))
        runs = had if snapshot is None else len(snapshot.seated)
        slots = max(1, min(runs, had) // 2)
        where = "the start" if snapshot is None else "the last checkpoint"
        fewer = f"{slots} run{'s' if slots > 1 else ''} at once instead of {had}"
        watch(Working(f"{method}: {why}: from {where} on, {fewer}"))
        starved.decide(ledger, method, slots, had, why)
        if snapshot is not None:
            snapshot = split(snapshot, slots)
            ledger.go_back({**snapshot.begun, **dict.fromkeys(snapshot.waiting)})
            epochs = {run_id: ledger.epochs(run_id) for run_id in snapshot.begun}
            checkpoints.write(snapshot, epochs)()
    write_study(folder, ledger)
    if snapshot is not None:
        drop_later_files(folder, ledger, [snapshot])
    return snapshot


def after_kills(
    folder: Path,
    ledger: Ledger,
    config: StudyConfig,
    stand: dict[str, Snapshot],
    watch: Watcher,
) -> dict[str, Snapshot]:
    """`go_back`'s snapshots; where the system killed the study twice for memory at this point, that
    of the method under way is for half the slots."""
    if not sessions.killed_twice(ledger.facts()):
        return stand
    status = ledger.statuses()
    left = {key.method for key in ledger.keys() if status[key.run_id] in ("planned", "running")}  # noqa: SIM118
    method = next((m for m in ORDER if m in left & set(config.methods)), None)
    if method not in STEPPED or method == "full":
        return stand
    facts = ledger.facts()
    own = stand.get(method)
    had = starved.slots_for(facts, method, config.bank.slots) if own is None else own.slots
    if had == 1:
        return stand
    why = "the system killed it twice here for memory"
    halved = fewer_slots(folder, ledger, method, had, why, watch)
    return stand if halved is None else {**stand, method: halved}


def drop_later_files(folder: Path, ledger: Ledger, snapshots: Iterable[Snapshot]) -> None:
    """Removes what runs left after the snapshots, and checkpoints that no run needs any more: what
    the ledger, gone back, knows nothing of."""
    for method in STEPPED:
        Checkpoints(folder, method, ledger).clear()
    for snapshot in snapshots:
        for run_id in snapshot.waiting:
            shutil.rmtree(folder / "runs" / run_id, ignore_errors=True)
        for run_id in snapshot.begun:
            place = folder / "runs" / run_id
            kept = {epoch_file(folder, run_id, row.epoch) for row in ledger.epochs(run_id)}
            for path in (place / "checkpoints").glob("*"):
                if path not in kept:
                    path.unlink()
            shutil.rmtree(place / MODEL, ignore_errors=True)
            for name in (PREDICTIONS, RUN):
                (place / name).unlink(missing_ok=True)
