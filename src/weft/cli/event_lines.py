"""With `--json`: what a study tells, as one JSON object a line on standard error."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from weft.study.notices import Begun, Opened, RunDone, Working

SCHEMA = 1
_BETWEEN = 1.0
"""Seconds from one line about steps to the next."""


class EventLines:
    """Writes every event but steps, which are told once a second."""

    def __init__(self) -> None:
        self._told = 0.0
        self._examples = 0

    def take(self, event: object) -> None:
        """Writes one event, if it is for others."""
        from weft.training.events import EpochEnd, RunBegin, RunFailed, Stepped

        match event:
            case Opened():
                splits = event.splits
                self._write(
                    "opened",
                    schema=SCHEMA,
                    study=event.config.name,
                    pool=len(splits.pool),
                    validation=len(splits.validation),
                    test=len(splits.test),
                    classes=list(event.data.label_names),
                )
            case Working():
                self._write("working", what=event.what)
            case Begun():
                waiting = {key.run_id for key in event.waiting}
                self._write(
                    "begun",
                    runs=[
                        {
                            "run": key.run_id,
                            "method": key.method,
                            "size": key.size,
                            "seed": key.seed,
                            "settings": key.variant,
                            "finished": key.run_id not in waiting,
                        }
                        for key in event.keys
                    ],
                )
            case RunBegin():
                self._write("run_begun", run=event.run_id)
            case Stepped():
                self._step(event)
            case EpochEnd():
                self._write(
                    "epoch",
                    run=event.run_id,
                    epoch=event.epoch,
                    step=event.step,
                    train_loss=event.train_loss,
                    train_accuracy=event.train_accuracy,
                    validation_loss=event.validation_loss,
                    validation_accuracy=event.validation_accuracy,
                    learning_rate=event.learning_rate,
                )
            case RunDone():
                outcome = event.outcome
                self._write(
                    "run_done",
                    run=event.key.run_id,
                    epochs=outcome.epochs,
                    best_epoch=outcome.best_epoch,
                    validation_accuracy=outcome.validation.accuracy,
                    seconds=outcome.seconds,
                )
            case RunFailed():
                self._write("run_failed", run=event.run_id, reason=event.reason)
            case _:
                pass

    def _step(self, event: Any) -> None:
        self._examples += event.examples
        now = time.monotonic()
        if now - self._told < _BETWEEN:
            return
        self._told = now
        self._write(
            "stepped",
            examples=self._examples,
            running=event.running,
            fill=event.fill,
            losses=dict(event.losses),
        )

    def _write(self, name: str, **values: Any) -> None:
        line = {"event": name, "time": time.time(), **values}
        print(json.dumps(line, default=float), file=sys.stderr, flush=True)
