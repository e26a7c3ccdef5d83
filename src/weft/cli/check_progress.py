"""What `weft check --labels` shows while the folds train, on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console


class FoldProgress:
    """A line for each epoch of each fold; a line in place of the last on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._status = self._console.status("looking for wrong labels")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        else:
            self._console.print("looking for wrong labels", style="dim")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def __call__(self, event: object) -> None:
        """Takes note of one event."""
        from weft.training.events import EpochEnd, RunEnd

        match event:
            case EpochEnd():
                said = f"{event.run_id}, epoch {event.epoch}: "
                self._status.update(f"{said}validation {event.validation_accuracy:.1%}")
            case RunEnd():
                self._console.print(
                    f"  [green]done[/] {event.run_id}  best epoch {event.best_epoch} of "
                    f"{event.epochs}  {event.seconds:.1f} s"
                )
            case _:
                pass
