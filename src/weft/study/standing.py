"""Goes back to where a study's checkpoints stand: ledger and files say no more than they do."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from weft.config import StudyConfig
from weft.study.checkpoints import Checkpoints
from weft.study.choice import MODEL
from weft.study.ledger import Ledger
from weft.study.notices import Watcher, Working
from weft.study.plan import STEPPED
from weft.study.recording import PREDICTIONS, epoch_file
from weft.study.variants import has
from weft.training.snapshot import Snapshot


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
        if snapshot is None or not {*snapshot.seated, *snapshot.waiting} <= known:
            checkpoints.forget()
            continue
        found[method] = snapshot
        ledger.go_back({**snapshot.seated, **dict.fromkeys(snapshot.waiting)})
    return found


def drop_later_files(folder: Path, ledger: Ledger, snapshots: Iterable[Snapshot]) -> None:
    """Removes what runs left after the snapshots, and checkpoints that no run needs any more: what
    the ledger, gone back, knows nothing of."""
    for method in STEPPED:
        Checkpoints(folder, method, ledger).clear()
    for snapshot in snapshots:
        for run_id in snapshot.waiting:
            shutil.rmtree(folder / "runs" / run_id, ignore_errors=True)
        for run_id in snapshot.seated:
            place = folder / "runs" / run_id
            kept = {epoch_file(folder, run_id, row.epoch) for row in ledger.epochs(run_id)}
            for path in (place / "checkpoints").glob("*"):
                if path not in kept:
                    path.unlink()
            shutil.rmtree(place / MODEL, ignore_errors=True)
            (place / PREDICTIONS).unlink(missing_ok=True)
