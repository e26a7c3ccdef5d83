"""MLflow: an experiment a study, an MLflow run a run, by its own client."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from weft.study.record import RunKey
from weft.tracking.tracker import Value

_RUN = "weft.run"
"""The tag by which a run is found again."""


class MLflow:
    """Writes settings as parameters, curves and scores as metrics.

    Args:
        uri: of the tracking store, e.g. `sqlite:///mlflow.db` or `http://127.0.0.1:5000`.
        experiment: its name; made where it is not there.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        for name in ("alembic", "mlflow.store"):  # which tell of every table that they make
            logging.getLogger(name).setLevel(logging.WARNING)
        from mlflow.tracking.client import MlflowClient

        self._client: Any = MlflowClient(uri)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment: str = (
            found.experiment_id if found else self._client.create_experiment(experiment)
        )
        self._runs: dict[str, str] = {}

    def begin(self, key: RunKey, settings: Mapping[str, Value], step: int) -> None:
        """A run that goes on in the middle is found again; one that begins anew is replaced."""
        before = self._client.search_runs(
            [self._experiment], f"tags.`{_RUN}` = '{key.run_id}'", max_results=1
        )
        if before and step:
            own = before[0].info.run_id
            self._client.update_run(own, status="RUNNING")
        else:
            for old in before:
                self._client.delete_run(old.info.run_id)
            name = f"{key.name} {key.size} seed {key.seed}"
            made = self._client.create_run(self._experiment, tags={_RUN: key.run_id}, run_name=name)
            own = made.info.run_id
            for setting, value in settings.items():
                self._client.log_param(own, setting, value)
        self._runs[key.run_id] = own

    def curves(self, run_id: str, step: int, values: Mapping[str, float]) -> None:
        """One point a curve; a point told twice, after a restart, is the same."""
        for name, value in values.items():
            self._client.log_metric(self._runs[run_id], name, value, step=step)

    def end(self, run_id: str, scores: Mapping[str, float] | None, failure: str | None) -> None:
        """Scores have no step."""
        own = self._runs.pop(run_id)
        for name, value in (scores or {}).items():
            self._client.log_metric(own, name, value)
        if failure is not None:
            self._client.set_tag(own, "weft.failure", failure)
        self._client.set_terminated(own, "FAILED" if failure else "FINISHED")

    def close(self) -> None:
        """Runs that did not end are marked so until they go on."""
        for own in self._runs.values():
            self._client.set_terminated(own, "KILLED")
