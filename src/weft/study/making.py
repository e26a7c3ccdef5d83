"""Makes a study's runs, method by method; where memory does not last, in a smaller bank."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weft.config import StudyConfig
from weft.errors import TrainingError
from weft.study import starved
from weft.study.ledger import Ledger
from weft.study.memory import PeakMemory
from weft.study.notices import Opened, Watcher, Working
from weft.study.plan import STEPPED, Given
from weft.study.record import RunKey
from weft.study.stopping import Stop
from weft.study.variants import config_of, variants

Run = tuple[RunKey, StudyConfig]
"""A run and its settings."""


@dataclass(frozen=True)
class Making:
    """Makes runs of one method after the other."""

    opened: Opened
    materials: Any
    ledger: Ledger
    folder: Path
    watch: Watcher
    fill: dict[str, tuple[int, float]]
    """By method, steps taken so far and how full their strips were on average."""
    given: Given | None = None

    def make(self, method: str, runs: Sequence[Run], made: Sequence[Run]) -> None:
        """From the start, in one bank; `made` are the others that would share it."""
        from weft.methods.base import Before

        if self.given is None:
            self.watch(Working(f"{method}: {_runs(len(runs))}{self._which(runs)}"))
        slots = starved.slots_for(self.ledger.facts(), method, self.materials.config.bank.slots)
        self._make(method, runs, Before(made=[self._item(run) for run in made], slots=slots))

    def go_on(self, method: str, snapshot: Any) -> None:
        """From where the snapshot stands; its runs may be more than the command asks for."""
        from weft.methods.base import Before

        here, waiting = len(snapshot.begun), len(snapshot.waiting)
        self.watch(Working(f"{method}: goes on in the middle of {_runs(here)}, {waiting} waiting"))
        self._make(method, self._runs_of(snapshot), Before(snapshot=snapshot))

    def _runs_of(self, snapshot: Any) -> list[Run]:
        by_id = {key.run_id: key for key in self.ledger.keys()}  # noqa: SIM118 (it is no dict)
        keys = [by_id[run_id] for run_id in (*snapshot.begun, *snapshot.waiting)]
        return [(key, config_of(self.materials.config, key)) for key in keys]

    def _which(self, runs: Sequence[Run]) -> str:
        """Of which settings on the grid these runs are, where their method has several."""
        labels = {key.variant for key, _ in runs}
        if len(variants(self.materials.config, runs[0][0].method)) == 1:
            return ""
        return f" of {runs[0][0].variant}" if len(labels) == 1 else f" of {len(labels)} settings"

    def _make(self, method: str, runs: Sequence[Run], before: Any) -> None:
        while (why := self._until_memory_ends(method, runs, before)) is not None:
            gc.collect()  # the bank that was too large
            runs, before = self._smaller(method, runs, before, why)

    def _until_memory_ends(self, method: str, runs: Sequence[Run], before: Any) -> str | None:
        """Makes the runs; what the error said where memory did not last, None where it did."""
        from weft.methods import make
        from weft.study.checkpoints import Checkpoints
        from weft.study.recording import Recorder

        opened, ledger = self.opened, self.ledger
        checkpoints = Checkpoints(self.folder, method, ledger) if method in STEPPED else None
        by_id = {key.run_id: key for key, _ in runs}
        try:
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
                for event in work.run([self._item(run) for run in runs], before):
                    recorder.take(event)
                if recorder.fill is not None:
                    self._add(method, *recorder.fill)
        except Exception as error:
            if not starved.ran_out(error):
                raise
            return str(error).strip().splitlines()[0] if str(error).strip() else "MemoryError"
        if stop.asked:  # after the last event
            raise KeyboardInterrupt
        return None

    def _add(self, method: str, steps: int, mean: float) -> None:
        before, old = self.fill.get(method, (0, 0.0))
        total = before + steps
        self.fill[method] = total, (before * old + steps * mean) / total

    def _smaller(
        self, method: str, runs: Sequence[Run], before: Any, why: str
    ) -> tuple[Sequence[Run], Any]:
        """The same runs for half the slots, from their last checkpoint or else from the start.

        Raises:
            TrainingError: there is one run at once already.
        """
        from weft.study.standing import fewer_slots

        had = 1
        if method in STEPPED and method != "full":
            had = before.snapshot.slots if before.snapshot else min(before.slots, len(runs))
        if had == 1:
            raise TrainingError(
                f"There is not enough memory for one run of {method}.",
                found=why,
                remedy="free some memory, or make another study (--out) with a smaller "
                "--batch-size or --max-length; what is finished is kept, and the same command "
                "goes on from the last checkpoint",
            )
        snapshot = fewer_slots(self.folder, self.ledger, method, had, why, self.watch)
        if snapshot is None:
            with self.ledger.together():
                self.ledger.go_back(dict.fromkeys(key.run_id for key, _ in runs))
            return runs, replace(before, slots=max(1, had // 2))
        return self._runs_of(snapshot), replace(before, snapshot=snapshot)

    def _item(self, run: Run) -> Any:
        from weft.methods.base import Item

        key, config = run
        found = None if self.given is None else self.given.found
        return Item(key.run_id, key.size, key.seed, config, found)


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"
