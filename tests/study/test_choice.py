"""Which model a name means: validation chooses, test never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weft.errors import StudyError
from weft.evidence.scores import Scores
from weft.study.choice import LEDGER, MODEL, best_run, model_folder
from weft.study.ledger import Ledger
from weft.study.record import Outcome, RunKey


def scores(accuracy: float, loss: float) -> Scores:
    return Scores(10, loss, accuracy, accuracy, accuracy, accuracy, ((5, 0), (0, 5)))


def study(folder: Path, runs: dict[str, tuple[float, float, float] | None]) -> Path:
    """A ledger of runs: (validation accuracy, its loss, test accuracy), or unfinished."""
    with Ledger(folder / LEDGER) as ledger:
        ledger.plan(
            [
                RunKey(name, "probe" if name.startswith("probe") else "lora", 16, seed)
                for seed, name in enumerate(runs)
            ]
        )
        for name, values in runs.items():
            if values is None:
                continue
            accuracy, loss, test = values
            ledger.start(name)
            costs: dict[str, Any] = {"epochs": 1, "best_epoch": 1, "seconds": 1.0}
            ledger.finish(
                name,
                Outcome(
                    validation=scores(accuracy, loss),
                    test=scores(test, 1 - test),
                    trainable=1,
                    total=2,
                    examples_per_second=1.0,
                    **costs,
                ),
            )
    return folder


@pytest.mark.parametrize(
    ("runs", "best"),
    [
        ({"a": (0.9, 0.5, 0.9), "b": (0.8, 0.4, 0.5)}, "b"),  # one cell: its lowest loss
        ({"b": (0.9, 0.5, 0.9), "a": (0.9, 0.5, 0.5)}, "a"),  # then the name, whatever the test
        ({"a": None, "b": (0.1, 0.9, 0.1)}, "b"),
        # the mean over seeds comes first: one lucky seed does not choose the method
        (
            {"a": (0.8, 0.5, 0), "b": (0.8, 0.6, 0), "probe": (0.9, 0.1, 1), "probe2": (0.6, 1, 1)},
            "a",
        ),
        ({"a": (0.8, 0.5, 1), "probe": (0.9, 0.9, 0.1)}, "probe"),
        ({"probe": (0.8, 0.1, 1), "a": (0.8, 0.5, 0)}, "a"),  # a tie is LoRA's
    ],
)
def test_validation_chooses(
    tmp_path: Path, runs: dict[str, tuple[float, float, float] | None], best: str
) -> None:
    key, outcome = best_run(study(tmp_path, runs))
    assert key.run_id == best
    assert outcome.validation.accuracy == (runs[best] or ())[0]


def test_nothing_finished_is_nothing_to_choose_from(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no finished run"):
        best_run(study(tmp_path, {"a": None}))


def test_a_name_is_a_folder_a_study_and_its_best_or_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study(Path("s"), {"a": (0.8, 0.6, 0.9), "b": (0.9, 0.5, 0.5)})
    assert model_folder("s") == Path("s")
    assert model_folder("anything/else") == Path("anything/else")
    assert model_folder("s:best") == Path("s/runs/b") / MODEL
    assert model_folder("s:a") == Path("s/runs/a") / MODEL
    Path("odd:best").mkdir()
    assert model_folder("odd:best") == Path("odd:best")
    assert model_folder(":best") == Path(":best")


def test_what_is_not_in_the_study_is_refused(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", {"a": (0.8, 0.5, 0.9)})
    with pytest.raises(StudyError, match="has no run c") as caught:
        model_folder(f"{folder}:c")
    assert caught.value.found == "a"
    with pytest.raises(StudyError, match="There is no study"):
        model_folder(f"{tmp_path / 'none'}:best")
    with pytest.raises(StudyError, match="There is no study"):
        model_folder(f"{tmp_path / 'none'}:a")
    assert not (tmp_path / "none").exists()


def test_a_study_that_is_written_meanwhile_is_read_as_one(tmp_path: Path) -> None:
    folder = study(tmp_path, {"a": (0.8, 0.5, 0.9)})
    with Ledger(folder / LEDGER) as writer:
        writer.plan([RunKey("b", "lora", 16, 7)])
        assert best_run(folder)[0].run_id == "a"
