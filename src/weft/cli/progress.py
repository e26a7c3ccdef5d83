"""What a study shows while it runs, on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from weft.cli.event_lines import EventLines
from weft.cli.running import Running
from weft.study.notices import Begun, Opened, RunDone, Working
from weft.study.plan import STEPPED
from weft.study.variants import config_of


class Progress:
    """Watches a study: on a terminal the runs that train, a bar over all training examples, and a
    line for each run that ends; elsewhere the lines alone.

    Args:
        quiet: nothing at all.
        as_json: a JSON object a line instead, for programs.
    """

    def __init__(self, *, quiet: bool, as_json: bool = False) -> None:
        silent = quiet or as_json
        self._events = EventLines() if as_json and not quiet else None
        self._console = Console(stderr=True, quiet=silent, highlight=False, soft_wrap=True)
        self._running = Running()
        self._bar = Bar(
            TextColumn("  [bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("left at most"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._live: Live | None = None
        if self._console.is_terminal and not silent:
            self._live = Live(
                Group(self._running, self._bar),
                console=self._console,
                transient=True,
                refresh_per_second=4,
            )
        self._task: TaskID | None = None
        self._left: dict[str, int] = {}  # examples that a run may still train on
        self._seen = 0
        self._began = time.perf_counter()
        self._names: dict[str, str] = {}
        self._paces: dict[str, tuple[int, int, int]] = {}
        """Of a run: steps at most, steps an epoch, steps taken before."""
        self.opened: Opened | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: object) -> None:
        """Takes note of one event."""
        from weft.training.events import EpochEnd, RunFailed, Stepped

        if self._events is not None:
            self._events.take(event)
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
                self._running.judged(event.run_id, event.validation_accuracy)
            case RunDone():
                self._end(event)
            case RunFailed():
                self._running.end(event.run_id)
                self._console.print(
                    f"[red]failed[/] {self._names[event.run_id]}: {escape(event.reason)}"
                )
            case _:
                pass

    def say(self, words: str) -> None:
        """A line where no live table shows how far it is."""
        if self._live is None:
            self._console.print(words, markup=False)

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
        self._console.print(f"  {len(event.keys)} run{'s' * (len(event.keys) != 1)}{kept}")
        waiting = {key.run_id for key in event.waiting}
        for key in (*event.keys, *event.besides):
            words = f"{key.method:<6} {key.size:>7,}  seed {key.seed}"
            self._names[key.run_id] = f"{words}  {key.variant}" if key.variant else words
            if key.method in STEPPED:
                recipe = config_of(config, key).recipe
                taken = event.steps.get(key.run_id, 0)
                steps = event.last.get(key.run_id, recipe.steps_at(key.size))
                self._paces[key.run_id] = steps, recipe.steps_per_epoch(key.size), taken
                if key.run_id in waiting:
                    self._left[key.run_id] = (steps - taken) * recipe.batch_size

    def _step(self, event: Any) -> None:
        if self._task is None:
            self._began = time.perf_counter()
            self._task = self._bar.add_task("training", total=sum(self._left.values()), speed="")
        self._seen += event.examples
        speed = self._seen / (time.perf_counter() - self._began)
        self._bar.update(
            self._task,
            advance=event.examples,
            description=f"{event.running} at once",
            speed=f"{speed:,.0f} examples/s",
        )
        for run_id, loss in event.losses.items():
            if run_id not in self._running:
                self._running.begin(run_id, self._names[run_id], *self._paces[run_id])
            self._running.step(run_id, loss)

    def _end(self, event: RunDone) -> None:
        key, outcome = event.key, event.outcome
        self._running.end(key.run_id)
        epochs = f"  best epoch {outcome.best_epoch} of {outcome.epochs}" if outcome.epochs else ""
        self._console.print(
            f"  [green]done[/] {self._names[key.run_id]}  "
            f"validation {outcome.validation.accuracy:.1%}{epochs}  {outcome.seconds:.1f} s"
        )
