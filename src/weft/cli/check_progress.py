"""What `weft check --labels` shows while the folds train, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def fold_progress(*, quiet: bool) -> Generator[Callable[[object], None], None, None]:
    """Takes events: a line for each fold, and on a terminal each epoch in place of the last."""
    console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
    status = console.status("looking for wrong labels")

    def watch(event: object) -> None:
        from weft.study.notices import Working
        from weft.training.events import EpochEnd, RunEnd

        match event:
            case Working():
                console.print(event.what, style="dim", markup=False)
            case EpochEnd():
                said = f"{event.run_id}, epoch {event.epoch}: "
                status.update(f"{said}validation {event.validation_accuracy:.1%}")
            case RunEnd():
                console.print(
                    f"  [green]done[/] {event.run_id}  best epoch {event.best_epoch} of "
                    f"{event.epochs}  {event.seconds:.1f} s"
                )
            case _:
                pass

    if console.is_terminal:
        with status:
            yield watch
    else:
        console.print("looking for wrong labels", style="dim")
        yield watch
