"""What a study shows while it runs, on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from weft.study.notices import Begun, Opened, RunDone, Working
from weft.study.plan import STEPPED, steps_of
from weft.study.variants import config_of


class Progress:
    """Watches a study: a bar over all training examples, and a line for each run that ends.

    Without a terminal there is no bar, only the lines.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._bar = Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("left at most"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._left: dict[str, int] = {}  # examples that a run may still train on
        self._seen = 0
        self._began = time.perf_counter()
        self._sizes: dict[str, str] = {}
        self.opened: Opened | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, event: object) -> None:
        """Takes note of one event."""
        from weft.training.events import EpochEnd, RunFailed, Stepped

        match event:
            case Opened():
                self._open(event)
            case Working():
                self._console.print(event.what, style="dim", markup=False)
                # a method has a speed of its own
                self._seen, self._began = 0, time.perf_counter()
            case Begun():
                self._begin(event)
            case Stepped():
                self._step(event)
            case EpochEnd():
                self._note(event)
            case RunDone():
                self._end(event)
            case RunFailed():
                self._console.print(
                    f"[red]failed[/] {self._sizes[event.run_id]}: {escape(event.reason)}"
                )
            case _:
                pass

    def _open(self, event: Opened) -> None:
        self.opened = event
        splits = event.splits
        self._console.print(f"[bold]{escape(event.config.name)}[/]  {escape(event.data.origin)}")
        self._console.print(
            f"  pool {len(splits.pool):,}  validation {len(splits.validation):,}  "
            f"test {len(splits.test):,}  classes {len(event.data.label_names)}"
        )

    def _begin(self, event: Begun) -> None:
        assert self.opened is not None
        config = self.opened.config
        backbone: dict[str, Any] | None = event.facts.get("backbone")
        if backbone:
            self._console.print(
                f"  {backbone['origin']}; {backbone['pooling']} pooling, {backbone['precision']}",
                markup=False,
            )
        done = len(event.keys) - len(event.waiting)
        kept = f", {done} finished before" if done else ""
        self._console.print(f"  {len(event.keys)} runs{kept}")
        for key in event.keys:
            words = f"{key.method:<6} {key.size:>7,}  seed {key.seed}"
            self._sizes[key.run_id] = f"{words}  {key.variant}" if key.variant else words
        self._left = {
            key.run_id: (steps_of(own, key.size) - event.steps.get(key.run_id, 0))
            * own.recipe.batch_size
            for key in event.waiting
            if key.method in STEPPED
            for own in [config_of(config, key)]
        }

    def _step(self, event: Any) -> None:
        if self._task is None:
            self._began = time.perf_counter()
            self._task = self._bar.add_task("training", total=sum(self._left.values()), speed="")
        self._seen += event.examples
        speed = self._seen / (time.perf_counter() - self._began)
        self._bar.update(
            self._task,
            advance=event.examples,
            description=f"training, {event.running} at once",
            speed=f"{speed:,.0f} examples/s",
        )

    def _note(self, event: Any) -> None:
        if self._task is not None:
            self._bar.update(
                self._task,
                description=f"{self._sizes[event.run_id]} epoch {event.epoch}: "
                f"validation {event.validation_accuracy:.1%}",
            )

    def _end(self, event: RunDone) -> None:
        key, outcome = event.key, event.outcome
        epochs = f"  best epoch {outcome.best_epoch} of {outcome.epochs}" if outcome.epochs else ""
        self._console.print(
            f"  [green]done[/] {self._sizes[key.run_id]}  "
            f"validation {outcome.validation.accuracy:.1%}{epochs}  {outcome.seconds:.1f} s"
        )
