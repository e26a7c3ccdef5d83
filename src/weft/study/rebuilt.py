"""A ledger that is damaged or gone, rebuilt from the runs' own folders. No torch.

What a run's folder says was on the disk before the ledger said it. So what is rebuilt may know more
than the ledger did, never less; a run that it knows of but its checkpoint does not is gone back on
when the study goes on, as ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open

from weft.errors import LedgerError
from weft.study.choice import LEDGER
from weft.study.ledger import Ledger
from weft.study.record import EpochRow, RunKey
from weft.study.run_record import STUDY, epochs_of_words, read_run, read_study
from weft.training.durable import put_in_place


def mend(folder: Path, say: Callable[[str], None]) -> None:
    """Rebuilds a study's ledger where it is damaged; nothing where it is sound, or where the folder
    says too little to rebuild it. The damaged one is kept beside it.

    Args:
        folder: held by this process.
        say: told what was wrong and what became of it.

    Raises:
        StudyError: the ledger cannot be opened for another reason, or not be written.
    """
    path = folder / LEDGER
    why = _damage(path)
    known = None if why is None else read_study(folder)
    if known is None:
        return
    kept = _set_aside(path)
    facts, keys = known
    fresh = path.with_name(f"{path.stem}.rebuilt.sqlite")
    fresh.unlink(missing_ok=True)
    lost: list[str] = []
    with Ledger(fresh) as ledger, ledger.together():
        ledger.set_facts(facts)
        ledger.plan(keys)
        under_way = _under_way(folder, facts)
        for key in keys:
            try:
                _put(ledger, folder, key, under_way)
            except ValueError as error:
                lost.append(str(error))
    with Ledger(fresh) as ledger:
        ended = [status for status in ledger.statuses().values() if status in ("done", "failed")]
    put_in_place(fresh, path)
    beside = f"; it is kept as {kept.name}" if kept else ""
    say(
        f"the ledger {path} is damaged ({why}){beside}. It was rebuilt from the runs' folders: "
        f"{ended.count('done')} runs finished, {ended.count('failed')} failed, of {len(keys)}"
    )
    for what in lost:
        say(f"{what}: the run is made anew")


def _damage(path: Path) -> str | None:
    """What is wrong with a study's ledger; None: nothing, or there is no study."""
    if not (path.parent / "runs" / STUDY).is_file():
        return None
    if not path.is_file() or path.stat().st_size == 0:
        return "it is missing" if not path.is_file() else "it is empty"
    try:
        Ledger(path, readonly=True).close()
    except LedgerError as error:
        return error.found or error.problem
    return None


def _set_aside(path: Path) -> Path | None:
    """Gives a damaged ledger another name, and its half-written transaction with it."""
    number, kept = 1, path.with_name(f"{path.stem}.damaged.sqlite")
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.stem}.damaged-{number}.sqlite")
    journal = path.with_name(f"{path.name}-journal")
    if journal.is_file():  # else it would be taken for that of the rebuilt one
        journal.replace(kept.with_name(f"{kept.name}-journal"))
    return path.replace(kept) if path.is_file() else None


def _under_way(folder: Path, facts: dict[str, Any]) -> dict[str, list[EpochRow]]:
    """The epochs of the runs that sound checkpoints hold."""
    found: dict[str, list[EpochRow]] = {}
    files = {_digest(path): path for path in (folder / "runs").glob(".bank-*.safetensors")}
    for digests in cast("dict[str, list[str]]", facts.get("checkpoints", {})).values():
        path = next((files[digest] for digest in digests if digest in files), None)
        if path is not None:
            found |= epochs_of_words(_words(path).get("epochs", {}))
    return found


def _words(path: Path) -> dict[str, Any]:
    try:
        with cast("Any", safe_open)(path, framework="np") as file:
            return json.loads(file.metadata()["weft"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put(ledger: Ledger, folder: Path, key: RunKey, under_way: dict[str, list[EpochRow]]) -> None:
    ended = read_run(folder, key)
    if ended is None and key.run_id not in under_way:
        return
    ledger.start(key.run_id)
    for row in under_way[key.run_id] if ended is None else ended.epochs:
        ledger.epoch(key.run_id, row)
    if ended is None:
        return
    if ended.outcome is None:
        ledger.fail(key.run_id, ended.error or "")
    else:
        ledger.finish(key.run_id, ended.outcome)
