"""Where a bank stands, for work that has no ledger: files that name their own hash."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from weft.training.checkpoint import digest_of, load_snapshot, save_snapshot
from weft.training.due import Due
from weft.training.durable import sync
from weft.training.events import Settled
from weft.training.snapshot import Snapshot

_ENDED = "ended/"


class Kept:
    """The state of one bank in a folder of its own, and the weights of the runs that ended.

    Args:
        folder: made where it is missing; holds nothing else.
        asked: whether the user asked to stop.
        say: told of a state that is not sound.
        clock: seconds; decides when the state is written, never what is computed.
    """

    def __init__(
        self,
        folder: Path,
        asked: Callable[[], bool],
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._asked, self._say, self._due = folder, asked, say, Due(clock)

    def load(self) -> tuple[Snapshot | None, dict[str, dict[str, Tensor]]]:
        """The newest state that is sound, None where there is none; ended runs' weights by run."""
        files = self._files()
        while files:
            path = files.pop()
            if digest_of(path) != path.stem.rpartition("-")[2]:
                instead = "the one before it is used" if files else "none is left, it begins anew"
                self._say(f"the state {path.name} is torn or altered: {instead}")
                with suppress(OSError):
                    path.unlink()  # else it would be the one before the next
                continue
            whole = load_snapshot(path)
            ended: dict[str, dict[str, Tensor]] = {}
            bank: dict[str, Tensor] = {}
            for name, tensor in whole.tensors.items():
                run_id, _, own = name.removeprefix(_ENDED).partition("/")
                if name.startswith(_ENDED):
                    ended.setdefault(run_id, {})[own] = tensor
                else:
                    bank[name] = tensor
            return Snapshot(bank, whole.words), ended
        return None, {}

    def settle(self, event: Settled, ended: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Writes the state where it is due.

        Raises:
            KeyboardInterrupt: the user asked to stop, and the state is written.
        """
        if event.over:
            return
        if self._asked() or self._due.now(epoch_ended=event.epoch_ended):
            with self._due.writing():
                self._write(event.snapshot(), ended)
        if self._asked():
            raise KeyboardInterrupt

    def clear(self) -> None:
        """Removes the state: the work is done."""
        for path in [*self._files(), *self._folder.glob("*.part")]:
            path.unlink(missing_ok=True)

    def _write(self, snapshot: Snapshot, ended: Mapping[str, Mapping[str, Tensor]]) -> None:
        tensors = dict(snapshot.tensors)
        for run_id, state in ended.items():
            tensors |= {f"{_ENDED}{run_id}/{name}": tensor for name, tensor in state.items()}
        before = self._files()
        number = 1 + (int(before[-1].stem.split("-")[0]) if before else 0)
        path = self._folder / f"{number:08}.safetensors"
        digest = save_snapshot(path, Snapshot(tensors, snapshot.words))
        path.replace(path.with_stem(f"{number:08}-{digest}"))
        sync(self._folder)
        for old in before[:-1]:  # the one before this stays
            old.unlink()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*-*.safetensors"))
