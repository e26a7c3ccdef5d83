"""Where a method's runs stand, on disk: the last checkpoint and the one before it.

A checkpoint counts from the moment at which the ledger names it with its hash, in the transaction
that writes what the runs did up to there. So a file that was torn, altered or never committed is
known for what it is, and the ledger never says more than the checkpoint can go on from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from weft.errors import StudyError
from weft.machine import describe, versions
from weft.study.ledger import Ledger
from weft.study.record import EpochRow
from weft.study.run_record import epochs_as_words
from weft.training.checkpoint import digest_of, load_snapshot, save_snapshot
from weft.training.due import Due
from weft.training.durable import sync
from weft.training.snapshot import Snapshot

FACT = "checkpoints"


class Checkpoints:
    """Those of one method of one study.

    Args:
        folder: the study's.
        method: whose runs they hold.
        ledger: open for writing.
        clock: seconds; decides when one is due, never what is computed.
    """

    def __init__(
        self,
        folder: Path,
        method: str,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._newest = folder / "runs" / f".bank-{method}.safetensors"
        self._older = folder / "runs" / f".bank-{method}.previous.safetensors"
        self._method, self._ledger = method, ledger
        self.due = Due(clock)
        self._lies: str | None = None  # sha256 of the newest file, where this process wrote it

    def write(self, snapshot: Snapshot, epochs: Mapping[str, list[EpochRow]]) -> Callable[[], None]:
        """Puts a snapshot on the disk.

        Args:
            epochs: of the runs under way, to rebuild the ledger from.

        Returns:
            To be called in the ledger transaction that the checkpoint belongs to: names it there.

        Raises:
            StudyError: the disk does not take it.
        """
        known = self._known()
        try:
            # else it was never committed, and what the ledger names lies as the older one
            if (self._lies or digest_of(self._newest)) in known[:1]:
                self._newest.replace(self._older)
            words = {**snapshot.words, "written": self._here, "epochs": epochs_as_words(epochs)}
            digest = save_snapshot(self._newest, Snapshot(snapshot.tensors, words))
        except OSError as error:
            raise StudyError(
                f"The checkpoint {self._newest} cannot be written.",
                found=error.strerror or str(error),
                remedy="free some disk space, or make the folder writable; the same command then "
                "goes on from the checkpoint before",
            ) from error
        self._lies = digest
        return lambda: self._name([digest, *known[:1]])

    def latest(self, say: Callable[[str], None]) -> Snapshot | None:
        """The newest checkpoint that is sound; None where the ledger names none.

        Args:
            say: told of what is wrong with a newer one, or of what may round otherwise now.
        """
        known = self._known()
        found = {digest_of(path): path for path in (self._newest, self._older)}
        for place, digest in enumerate(known):
            path = found.get(digest)
            if path is None:
                instead = "the one before it is used" if place + 1 < len(known) else "none is left"
                say(
                    f"{self._method}: the {'last' if place == 0 else 'former'} checkpoint is "
                    f"missing, torn or altered (its sha256 is not {digest[:12]}): {instead}"
                )
                continue
            snapshot = load_snapshot(path)
            self._name(known[place:])
            for line in _differences(snapshot.words.get("written", {}), self._here):
                say(f"{self._method}: {line}")
            return snapshot
        return None

    def forget(self) -> None:
        """Takes the ledger's word for them back; `clear` then removes the files."""
        rest = self._all()
        if rest.pop(self._method, None) is None:
            return
        if rest:
            self._ledger.set_facts({FACT: rest})
        else:
            self._ledger.drop_fact(FACT)

    def clear(self) -> None:
        """Removes the files where the ledger names none of them."""
        if self._known():
            return
        self._lies = None
        for path in (self._newest, self._older, self._newest.with_suffix(".part")):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if self._newest.parent.is_dir():
            sync(self._newest.parent)

    @cached_property
    def _here(self) -> dict[str, Any]:
        """Machine and versions, which take longer to find out than some checkpoints to write."""
        machine = describe()
        own = {name: machine[name] for name in ("cpu", "threads", "platform")}
        return {"versions": versions(), "machine": own}

    def _all(self) -> dict[str, Any]:
        return dict(self._ledger.facts().get(FACT, {}))

    def _known(self) -> list[str]:
        return list(cast("list[str]", self._all().get(self._method, [])))

    def _name(self, digests: list[str]) -> None:
        self._ledger.set_facts({FACT: self._all() | {self._method: digests}})


def _differences(written: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs here from where a checkpoint was written, and may change the last bits."""
    lines: list[str] = []
    for part in ("machine", "versions"):
        then = cast("dict[str, Any]", written.get(part, {}))
        lines += [
            f"the checkpoint was written with {name} {then[name]}, and here it is {now[part][name]}"
            ": what follows may differ in its last bits from a study that was never stopped"
            for name in then
            if then[name] != now[part].get(name)
        ]
    return lines
