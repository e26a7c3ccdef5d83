"""TensorBoard: a folder of event files a run, by torch's own writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.study.record import RunKey
from weft.tracking.tracker import Value


class TensorBoard:
    """Writes curves and, with a run's settings, its scores.

    Args:
        folder: each run gets one inside it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._settings: dict[str, Mapping[str, Value]] = {}

    def begin(self, key: RunKey, settings: Mapping[str, Value], step: int) -> None:
        """Opens the run's writer; the viewer forgets what it was shown of later steps."""
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writers[key.run_id] = SummaryWriter(
            str(self._folder / key.run_id), purge_step=step + 1
        )
        self._settings[key.run_id] = settings

    def curves(self, run_id: str, step: int, values: Mapping[str, float]) -> None:
        """One point a curve."""
        for name, value in values.items():
            self._writers[run_id].add_scalar(_tag(name), value, step)

    def end(self, run_id: str, scores: Mapping[str, float] | None, failure: str | None) -> None:
        """Scores stand with the settings, so that TensorBoard's table of runs can be sorted."""
        writer = self._writers.pop(run_id)
        if scores is not None:
            writer.add_hparams(
                dict(self._settings[run_id]),
                {f"result/{name}": value for name, value in scores.items()},
                run_name=".",
            )
        if failure is not None:
            writer.add_text("failed", failure)
        writer.close()

    def close(self) -> None:
        """Flushes the runs that did not end."""
        for writer in self._writers.values():
            writer.close()


def _tag(name: str) -> str:
    """`train_loss` as `loss/train`, so that curves of a kind stand side by side."""
    split, _, what = name.partition("_")
    return f"{what}/{split}" if split in ("train", "validation") else name
