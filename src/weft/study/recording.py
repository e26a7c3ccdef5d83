"""Writes down what a method tells: models and checkpoints as files, then rows in the ledger.

What a step brought is written in one transaction when the step is settled, with the checkpoint from
which to go on after it. So a run is never in the ledger as finished and in the checkpoint as not.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from weft.data.examples import LabelledText
from weft.data.splits import Splits
from weft.methods.base import Done, MethodEvent
from weft.study.checkpoints import Checkpoints
from weft.study.choice import MODEL
from weft.study.ledger import Ledger
from weft.study.memory import PeakMemory
from weft.study.notices import RunDone, Watcher, Working
from weft.study.plan import STEPPED
from weft.study.predictions import HELD_OUT, write_predictions
from weft.study.record import EpochRow, Outcome, RunKey
from weft.study.run_record import Ended, write_run, write_study
from weft.study.stopping import Stop
from weft.training.checkpoint import save_checkpoint
from weft.training.durable import sync_tree
from weft.training.events import EpochEnd, RunBegin, RunFailed, Settled, Stepped

PREDICTIONS = "predictions.parquet"
_KEPT = tuple(method for method in STEPPED if method != "full")
"""Methods that leave a checkpoint an epoch. One of full fine-tuning is as large as the whole model:
of its epochs the best alone is kept, which is the saved model."""


class Recorder:
    """Takes the events of one method, in order.

    Args:
        folder: the study's.
        keys: the runs by id.
        checkpoints: where the method's runs stand; None: each run is made at one go.
        stop: asked after each settled step.
        watch: told of every event, and of a run's end once it is in the ledger.
    """

    def __init__(
        self,
        folder: Path,
        keys: Mapping[str, RunKey],
        data: LabelledText,
        splits: Splits,
        ledger: Ledger,
        memory: PeakMemory,
        checkpoints: Checkpoints | None,
        stop: Stop,
        watch: Watcher,
    ) -> None:
        self._folder, self._keys = folder, keys
        self._data, self._splits = data, splits
        self._ledger, self._memory = ledger, memory
        self._checkpoints, self._stop, self._watch = checkpoints, stop, watch
        self._rows: list[Callable[[], None]] = []
        self._ended: list[RunDone] = []
        self._epochs = {run_id: ledger.epochs(run_id) for run_id in keys}
        self._said = False
        self._steps, self._fills = 0, 0.0

    @property
    def fill(self) -> tuple[int, float] | None:
        """Steps that were taken, and the mean share of their strips that held a token."""
        return (self._steps, self._fills / self._steps) if self._steps else None

    def take(self, event: MethodEvent) -> None:
        """Writes down one event.

        Raises:
            KeyboardInterrupt: the user asked to stop, and what there is to go on from is kept.
            StudyError: the disk or the ledger does not take it.
        """
        match event:
            case RunBegin():
                shutil.rmtree(self._folder / "runs" / event.run_id, ignore_errors=True)
                self._ledger.start(event.run_id)
                self._epochs[event.run_id] = []
            case EpochEnd():
                self._epoch(event)
            case Done():
                outcome = self._finish(event, self._keys[event.run_id])
                self._rows.append(partial(self._ledger.finish, event.run_id, outcome))
                self._ended.append(RunDone(self._keys[event.run_id], outcome))
            case RunFailed():
                self._fail(event)
            case Stepped():
                self._steps, self._fills = self._steps + 1, self._fills + event.fill
            case Settled():
                self._settle(event)
            case _:
                pass
        if self._checkpoints is None and self._rows:
            self._commit()
        self._watch(event)
        if self._stop.asked:
            self._leave(now=self._checkpoints is None or isinstance(event, Settled))

    def _leave(self, *, now: bool) -> None:
        if now:
            raise KeyboardInterrupt
        if not self._said:
            self._watch(Working("stopping after this step; once more to stop at once"))
            self._said = True

    def _settle(self, event: Settled) -> None:
        assert self._checkpoints is not None
        due = self._checkpoints.due
        if event.over:
            self._rows.append(self._checkpoints.forget)
            self._commit()
            self._checkpoints.clear()
        elif self._rows or self._stop.asked or due.now(epoch_ended=event.epoch_ended):
            with due.writing():
                snapshot = event.snapshot()
                under_way = {run_id: self._epochs[run_id] for run_id in snapshot.begun}
                self._rows.append(self._checkpoints.write(snapshot, under_way))
                self._commit()

    def _commit(self) -> None:
        with self._ledger.together():
            for write in self._rows:
                write()
        if self._checkpoints is not None:
            write_study(self._folder, self._ledger)
        self._rows = []
        ended, self._ended = self._ended, []
        for notice in ended:
            self._watch(notice)

    def _epoch(self, event: EpochEnd) -> None:
        row = EpochRow(
            epoch=event.epoch,
            step=event.step,
            train_loss=event.train_loss,
            train_accuracy=event.train_accuracy,
            validation_loss=event.validation_loss,
            validation_accuracy=event.validation_accuracy,
            learning_rate=event.learning_rate,
            seconds=event.seconds,
        )
        if self._keys[event.run_id].method in _KEPT:
            save_checkpoint(epoch_file(self._folder, event.run_id, event.epoch), event.state)
        self._epochs[event.run_id].append(row)
        self._rows.append(partial(self._ledger.epoch, event.run_id, row))

    def _fail(self, event: RunFailed) -> None:
        """The run's last good weights stay: its best epoch's, if it ended one."""
        error, run_id, epoch = event.reason, event.run_id, event.best_epoch
        if epoch:
            path = epoch_file(self._folder, run_id, epoch)
            if not path.is_file():
                save_checkpoint(path, event.state)
            error += f". Its best weights until then are in {path.relative_to(self._folder)}"
        write_run(self._folder, Ended(self._keys[run_id], self._epochs[run_id], error=error))
        self._rows.append(partial(self._ledger.fail, run_id, error))

    def _finish(self, done: Done, key: RunKey) -> Outcome:
        # scikit-learn and SciPy, which no step of training waits for
        from weft.evidence.metrics import score
        from weft.methods.calibrated import save_calibrated

        place = self._folder / "runs" / key.run_id
        model = place / MODEL
        model.mkdir(parents=True, exist_ok=True)
        taken = self._memory.bytes  # before it is saved: that asks for more, and is no part of it
        splits, data = self._splits, self._data
        judges = splits.validation.labels
        calibration = save_calibrated(done, judges, model)
        write_predictions(
            place / PREDICTIONS,
            data.label_names,
            {"validation": judges, "test": splits.test.labels, HELD_OUT: judges},
            {"validation": done.validation, "test": done.test, HELD_OUT: done.held_out},
        )
        judged = partial(score, positive=data.positive)
        outcome = Outcome(
            validation=judged(judges, done.validation),
            test=judged(splits.test.labels, done.test),
            trainable=done.trainable,
            total=done.total,
            epochs=done.epochs,
            best_epoch=done.best_epoch,
            seconds=done.seconds,
            examples_per_second=done.examples_per_second,
            peak_memory_bytes=taken,
            model_bytes=sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
            folder=f"runs/{key.run_id}",
            extra={**done.extra, "temperature": calibration.temperature},
        )
        write_run(self._folder, Ended(key, self._epochs[key.run_id], outcome))
        sync_tree(place)  # the ledger must not speak of files that a power cut can take back
        return outcome


def epoch_file(folder: Path, run_id: str, epoch: int) -> Path:
    """Where a run's weights after an epoch lie."""
    return folder / "runs" / run_id / "checkpoints" / f"epoch-{epoch}.safetensors"
