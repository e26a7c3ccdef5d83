"""Which model a name means: validation chooses, test never."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from weft.errors import StudyError
from weft.evidence.scores import Scores
from weft.study.choice import (
    LEDGER,
    MODEL,
    Tried,
    best_run,
    model_folder,
    run_of,
    winning_cells,
    winning_variants,
)
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


# Among settings of one method


def tried(runs: dict[tuple[str, int], tuple[float, float]]) -> list[Tried]:
    return [Tried("lora", name, size, *score) for (name, size), score in runs.items()]


def test_a_size_has_a_winner_and_so_have_all_sizes_together() -> None:
    runs = tried(
        {
            ("a", 16): (0.9, 0.5),
            ("b", 16): (0.8, 0.1),
            ("a", 32): (0.9, 0.5),
            ("b", 32): (0.98, 0.1),
        }
    )
    assert winning_cells(runs) == {("lora", 16): "a", ("lora", 32): "b"}
    assert winning_variants(runs) == {"lora": "a"}


def test_equal_accuracies_are_told_apart_by_loss() -> None:
    runs = tried({("a", 16): (0.9, 0.5), ("b", 16): (0.9, 0.4), ("c", 16): (0.9, 0.4)})
    assert winning_cells(runs) == {("lora", 16): "b"}
    assert winning_variants(runs) == {"lora": "b"}


def test_a_setting_that_broke_at_a_size_is_no_candidate_for_all() -> None:
    runs = tried({("a", 16): (0.99, 0.1), ("b", 16): (0.8, 0.5), ("b", 32): (0.6, 0.6)})
    assert winning_variants(runs) == {"lora": "b"}


def test_settings_are_compared_at_the_sizes_that_they_share() -> None:
    """One more small size would pull a mean down."""
    runs = tried(
        {("a", 16): (0.6, 1), ("a", 32): (0.9, 1), ("b", 32): (0.8, 1), ("b", 64): (0.99, 1)}
    )
    assert winning_variants(runs) == {"lora": "a"}


def test_settings_of_one_method_are_cells_of_their_own(tmp_path: Path) -> None:
    """Not the mean over both: the better setting's, and of its seeds the lowest loss."""
    with Ledger(tmp_path / LEDGER) as ledger:
        keys = [RunKey(f"{v}{s}", "lora", 16, s, v) for v in ("a", "b") for s in (0, 1)]
        ledger.plan([*keys, RunKey("p", "probe", 16, 0)])
    rest = {"epochs": 1, "best_epoch": 1, "seconds": 1.0, "examples_per_second": 1.0}
    values = {"a0": (0.5, 0.1), "a1": (0.5, 0.1), "b0": (0.9, 0.6), "b1": (0.9, 0.5)}
    with Ledger(tmp_path / LEDGER) as ledger:
        for name, (accuracy, loss) in {**values, "p": (0.8, 0.1)}.items():
            ledger.start(name)
            own, test = scores(accuracy, loss), scores(1 - accuracy, loss)
            ledger.finish(name, Outcome(own, test, 1, 2, **rest))  # pyright: ignore
    key, _ = best_run(tmp_path)
    assert (key.run_id, key.variant, key.name) == ("b1", "b", "lora (b)")
    assert run_of(tmp_path, "lora", 16, 0)[0].run_id == "b0"
    assert run_of(tmp_path, "lora", 16, 0, "a")[0].run_id == "a0"
    with pytest.raises(StudyError, match="no finished run"):
        run_of(tmp_path, "lora", 16, 0, "c")


# A ledger that somebody altered


@pytest.mark.parametrize("name", ["../../up", "/tmp/up", "a/b", "..", ".bank-lora", "a\\b", ""])
def test_a_run_does_not_lead_out_of_its_study(tmp_path: Path, name: str) -> None:
    folder = study(tmp_path / "study", {"probe-a": (0.5, 0.5, 0.5), "lora-b": None})
    with sqlite3.connect(folder / LEDGER) as ledger:
        ledger.execute("PRAGMA foreign_keys = OFF")
        ledger.execute("UPDATE runs SET run_id = ? WHERE run_id = 'lora-b'", (name,))
    ledger.close()
    for ask in (f"{folder}:best", f"{folder}:{name}", f"{folder}:probe-a"):
        with pytest.raises(StudyError, match="outside of its folder"):
            model_folder(ask)


@pytest.mark.parametrize("place", ["../up", "runs/../../up", "/tmp/up"])
def test_a_runs_folder_does_not_lead_out_of_its_study(place: str) -> None:
    good = scores(0.5, 0.5)
    whole = {"trainable": 1, "total": 1, "epochs": 1, "best_epoch": 1, "seconds": 1.0}
    with pytest.raises(StudyError, match="outside of its folder"):
        Outcome(validation=good, test=good, examples_per_second=1.0, folder=place, **whole)


def test_a_run_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    folder = study(tmp_path / "study", {"lora-16-0-ab": (0.5, 0.5, 0.5)})
    with pytest.raises(StudyError, match="no run lora-16-0-ac") as caught:
        model_folder(f"{folder}:lora-16-0-ac")
    assert "did you mean lora-16-0-ab?" in caught.value.remedy
    assert model_folder("x" * 5000) == Path("x" * 5000)
