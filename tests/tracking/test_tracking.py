"""Runs in TensorBoard and MLflow, read back by the libraries themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import tiny
from tests.cli.command import reviews, write_csv

import weft
from weft import tracking
from weft.errors import ConfigError
from weft.study.choice import LEDGER
from weft.study.ledger import Ledger
from weft.study.notices import RunDone
from weft.tracking.opening import _NEEDS
from weft.training.events import EpochEnd, RunFailed

CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracked")
    write_csv(folder / "reviews.csv", reviews())
    tiny.save(folder / "tiny", "bert")
    return folder


def study(place: Path, out: Path) -> weft.Study:
    """Two adapters of three epochs, and a method that has no epochs."""
    return weft.Study(
        place / "reviews.csv",
        backbone={"name": str(place / "tiny"), "precision": "float32"},
        sizes=[16],
        seeds=2,
        methods=["lora", "tfidf"],
        recipe={"epochs": 3, "batch_size": 8, "patience": 9, "min_steps": 0},
        out=out,
    )


def boards(folder: Path) -> list[str]:
    return [f"tensorboard={folder / 'tb'}", f"mlflow=sqlite:///{folder / 'runs.db'}"]


def scalars(folder: Path, run_id: str) -> dict[str, dict[int, float]]:
    """What TensorBoard shows of a run: value by step, by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tb" / run_id))
    found.Reload()
    tags: list[str] = found.Tags()["scalars"]
    return {tag: {point.step: point.value for point in found.Scalars(tag)} for tag in tags}


@contextmanager
def mlflow_runs(folder: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """MLflow's client and its runs that are not deleted, by weft's id."""
    from mlflow.tracking.client import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'runs.db'}")
    (experiment,) = (one for one in client.search_experiments() if one.name == "study")
    found = client.search_runs([experiment.experiment_id])
    yield client, {run.data.tags["weft.run"]: run for run in found}


def test_curves_and_scores_are_those_of_the_ledger(place: Path, tmp_path: Path) -> None:
    told: list[object] = []
    study(place, tmp_path / "study").run(told.append, log_to=boards(tmp_path))
    epochs = [event for event in told if isinstance(event, EpochEnd)]
    done = {event.key.run_id: event for event in told if isinstance(event, RunDone)}
    assert len(epochs) == 6
    assert len(done) == 4

    with mlflow_runs(tmp_path) as (client, runs):
        assert set(runs) == set(done)
        for event in epochs:
            own = runs[event.run_id]
            shown = scalars(tmp_path, event.run_id)
            for name in CURVES:
                value = getattr(event, name)
                history = {
                    m.step: m.value for m in client.get_metric_history(own.info.run_id, name)
                }
                assert history[event.step] == value
                split, _, what = name.partition("_")
                tag = name if split == "learning" else f"{what}/{split}"
                assert shown[tag][event.step] == pytest.approx(value, rel=1e-6)
        for run_id, event in done.items():
            own, scores = runs[run_id], event.outcome.test
            assert own.info.status == "FINISHED"
            assert own.data.params["method"] == event.key.method
            assert own.data.metrics["final_test_accuracy"] == scores.accuracy
            result = scalars(tmp_path, run_id)["result/final_test_loss"]
            assert list(result.values()) == [pytest.approx(scores.loss, rel=1e-6)]
        lora = next(run for run in runs.values() if run.data.params["method"] == "lora")
        assert lora.data.params["recipe.epochs"] == "3"
        assert lora.data.params["lora.r"] == "8"
        assert lora.info.run_name.startswith("lora 16 seed ")


def test_a_run_that_goes_on_is_told_as_one(place: Path, tmp_path: Path) -> None:
    told: list[EpochEnd] = []

    def fall(event: object) -> None:
        if isinstance(event, EpochEnd):
            told.append(event)
            if len(told) == 4:
                raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        study(place, tmp_path / "study").run(fall, log_to=boards(tmp_path))
    with mlflow_runs(tmp_path) as (_, runs):
        assert {run.info.status for run in runs.values()} == {"KILLED", "FINISHED"}
    assert study(place, tmp_path / "study").run(log_to=boards(tmp_path)).complete

    with Ledger(tmp_path / "study" / LEDGER, readonly=True) as ledger:
        rows = {key.run_id: ledger.epochs(key.run_id) for key in ledger.keys()}  # noqa: SIM118
    with mlflow_runs(tmp_path) as (client, runs):
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        for run_id, epochs in rows.items():
            expected = {row.step: row.validation_loss for row in epochs}
            own = runs[run_id].info.run_id
            points = client.get_metric_history(own, "validation_loss")
            assert {point.step: point.value for point in points} == expected
            shown = scalars(tmp_path, run_id).get("loss/validation", {})
            assert shown == pytest.approx(expected, rel=1e-6)


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    from weft.study.notices import Begun, Opened
    from weft.study.record import RunKey

    key = RunKey("tfidf-16-0-abc", "tfidf", 16, 0)
    config = weft.Study("demo", methods=["tfidf"], out=tmp_path / "study").config
    with tracking.trackers(boards(tmp_path), tmp_path / "study") as tell:
        tell(Opened(config, None, None))  # type: ignore[arg-type]  (its data do not matter here)
        tell(Begun([key], [key], {}))
        tell(RunFailed(key.run_id, "the loss became nan"))
    with mlflow_runs(tmp_path) as (_, runs):
        assert runs[key.run_id].info.status == "FAILED"
        assert runs[key.run_id].data.tags["weft.failure"] == "the loss became nan"


@pytest.mark.parametrize("asked", ["tensorbord", "wandb=x", ""])
def test_what_is_no_tracker_is_refused_before_any_work(
    place: Path, tmp_path: Path, asked: str
) -> None:
    with pytest.raises(ConfigError, match="tensorboard or mlflow"):
        study(place, tmp_path / "study").run(log_to=[asked])
    assert not (tmp_path / "study").exists()


def test_a_missing_library_is_named_with_its_extra(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_NEEDS, "mlflow", ("no_such_package",))
    with pytest.raises(ConfigError, match=r"weft\[mlflow\]"):
        study(place, tmp_path / "study").run(log_to=["mlflow"])
    assert not (tmp_path / "study").exists()


def test_by_default_they_lie_in_the_studys_folder(place: Path, tmp_path: Path) -> None:
    small = study(place, tmp_path / "study")
    small.run(log_to=["tensorboard", "mlflow"])
    assert (tmp_path / "study" / "mlflow.db").is_file()
    assert len(list((tmp_path / "study" / "tensorboard").iterdir())) == 4
