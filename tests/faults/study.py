"""The study that is stopped: several runs a bank, and slots that are filled again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from weft.config import StudyConfig
from weft.study.presets import resolve

from .. import tiny
from ..cli.command import SRC, reviews, write_csv


class Stopper:
    """Does something at the n-th event of a kind."""

    def __init__(self, kind: type, number: int, what: Callable[[], None]) -> None:
        self._kind, self._left, self._what = kind, number, what
        self.events: list[object] = []

    def __call__(self, event: object) -> None:
        self.events.append(event)
        if isinstance(event, self._kind):
            self._left -= 1
            if self._left == 0:
                self._what()


def fall() -> None:
    raise RuntimeError("the power went")


def make_place(folder: Path) -> Path:
    """A folder with labelled reviews and a tiny encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "reviews.csv", reviews())
    tiny.save(folder / "tiny", "bert")
    return folder


def config(place: Path, **over: Any) -> StudyConfig:
    """Eight runs in a bank of three, of 2 to 5 epochs each; not `exact`, so company counts."""
    tree: dict[str, Any] = {
        "backbone": {"name": str(place / "tiny"), "precision": "float32"},
        "sizes": [8, 16, 24, 40],
        "seeds": 2,
        "methods": ["lora"],
        "recipe": {"epochs": 5, "batch_size": 8, "patience": 1, "learning_rate": 5e-3},
        "bank": {"slots": 3},
    }
    return resolve(str(place / "reviews.csv"), tree | over)


class Nursery:
    """Runs studies in forks of one process that has loaded torch.

    Args:
        breaks: how the ids of those runs begin that end in NaN; empty: none does.
    """

    def __init__(self, process: subprocess.Popen[str], breaks: str) -> None:
        self._process, self._breaks = process, breaks

    def run(
        self,
        config: StudyConfig,
        folder: Path,
        events: int | None = None,
        wait: float = 0.0,
        limit: int | None = None,
    ) -> dict[str, Any]:
        """Runs a study, killed `wait` seconds after so many events; None: to its end.

        Args:
            limit: bytes that a file may have.
        """
        wanted = {"config": config.model_dump(mode="json"), "breaks": self._breaks}
        return self._ask(wanted | {"limit": limit}, folder, events, wait)

    def refit(
        self, study: Path, steps: int, out: Path, events: int | None = None, wait: float = 0.0
    ) -> dict[str, Any]:
        """Trains what a study found for so many steps on all labels, and is killed as `run` is."""
        return self._ask({"study": str(study), "steps": steps}, out, events, wait)

    def _ask(
        self, wanted: dict[str, Any], folder: Path, events: int | None, wait: float
    ) -> dict[str, Any]:
        wanted |= {"folder": str(folder), "events": events, "wait": wait}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def killed_until_it_is_done(
        self, config: StudyConfig, folder: Path, kills: int, random: np.random.Generator, most: int
    ) -> list[dict[str, Any]]:
        """Kills it at `kills` moments, then lets it end; what each try came to.

        Args:
            most: events of a try that is killed, at most.
        """
        tries: list[dict[str, Any]] = []
        for _ in range(kills):
            events, wait = int(random.integers(0, most + 1)), float(random.uniform(0, 0.02))
            tries.append(self.run(config, folder, events, wait))
        tries.append(self.run(config, folder))
        return tries


@contextmanager
def nursery(breaks: str = "") -> Generator[Nursery]:
    """A nursery while inside."""
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("nursery.py"))]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Nursery(process, breaks)
        assert process.stdin is not None
        process.stdin.close()
