"""What a study tells, as a tracker wants to hear it: a run's settings, its curves, its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from weft.config import StudyConfig
from weft.study.notices import Begun, Opened, RunDone
from weft.study.record import Outcome, RunKey
from weft.study.variants import config_of

Value = str | int | float | bool

_CURVES = (
    *("train_loss", "train_accuracy"),
    *("validation_loss", "validation_accuracy", "learning_rate"),
)
_SECTIONS = {
    "lora": ("lora", "recipe"),
    "bitfit": ("bitfit", "recipe"),
    "full": ("full", "recipe"),
}
"""By method, the groups of settings that it heeds beside the backbone's."""


class Board(Protocol):
    """One tracker's own library."""

    def begin(self, key: RunKey, settings: Mapping[str, Value], step: int) -> None:
        """A run is about to tell; what it told of steps after `step` before is void."""
        ...

    def curves(self, run_id: str, step: int, values: Mapping[str, float]) -> None:
        """Values after so many optimiser steps."""
        ...

    def end(self, run_id: str, scores: Mapping[str, float] | None, failure: str | None) -> None:
        """The run is over: its scores, or why it has none."""
        ...

    def close(self) -> None:
        """Nothing more will be told; runs that did not end go on another day."""
        ...


class Tracker:
    """Takes a study's events and tells them to a board, run by run.

    Args:
        open_board: called when the study's runs are known, and its folder is there.
    """

    def __init__(self, open_board: Callable[[], Board]) -> None:
        self._open_board = open_board
        self._board: Board | None = None
        self._config: StudyConfig | None = None
        self._keys: dict[str, RunKey] = {}
        self._steps: Mapping[str, int] = {}
        self._begun: set[str] = set()

    def take(self, event: object) -> None:
        """Takes note of one event; most are of no interest here."""
        from weft.training.events import EpochEnd, RunBegin, RunFailed

        match event:
            case Opened():
                self._config = event.config
            case Begun():
                self._keys = {key.run_id: key for key in (*event.keys, *event.besides)}
                self._steps = event.steps
                self._board = self._open_board()
            case RunBegin():
                self._of(event.run_id)
            case EpochEnd():
                values = {name: float(getattr(event, name)) for name in _CURVES}
                self._of(event.run_id).curves(event.run_id, event.step, values)
            case RunDone():
                run_id = event.key.run_id
                self._of(run_id).end(run_id, _scores(event.outcome), None)
            case RunFailed():
                self._of(event.run_id).end(event.run_id, None, event.reason)
            case _:
                pass

    def close(self) -> None:
        """Hands on what is still held."""
        if self._board is not None:
            self._board.close()

    def _of(self, run_id: str) -> Board:
        """The board, which has heard of the run: one that goes on in the middle is new to it."""
        assert self._board is not None
        assert self._config is not None
        if run_id not in self._begun:
            self._begun.add(run_id)
            key = self._keys[run_id]
            self._board.begin(key, _settings(self._config, key), self._steps.get(run_id, 0))
        return self._board


def _settings(config: StudyConfig, key: RunKey) -> dict[str, Value]:
    """A run's place in the grid and the settings that decide it, by dotted name."""
    own = config_of(config, key)
    found: dict[str, Value] = {"method": key.method, "size": key.size, "seed": key.seed}
    if key.method != "tfidf":
        found["backbone.name"] = own.backbone.name
    for section in _SECTIONS.get(key.method, ()):
        for name, value in getattr(own, section).model_dump().items():
            if value is not None:
                plain = isinstance(value, str | int | float)
                found[f"{section}.{name}"] = value if plain else str(value)
    return found


def _scores(outcome: Outcome) -> dict[str, float]:
    """Test and validation apart, and what the run cost."""
    found = {
        f"final_{split}_{name}": float(getattr(scores, name))
        for split, scores in (("validation", outcome.validation), ("test", outcome.test))
        for name in ("loss", "accuracy", "f1")
    }
    return found | {
        "best_epoch": float(outcome.best_epoch),
        "seconds": outcome.seconds,
        "trainable_parameters": float(outcome.trainable),
    }
