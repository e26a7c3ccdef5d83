"""`weft train --from STUDY`: the winning recipe on all labels, and what may be said of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from huggingface_hub import ModelCard
from tests.cli.command import SMALL, reviews, weft, write_csv

from weft.classifier import load as load_model
from weft.config import DataSettings
from weft.data.sources import load
from weft.study.choice import LEDGER, best_run
from weft.study.ledger import Ledger
from weft.study.record import RunKey
from weft.study.refit import Refitted, _examples, refit
from weft.study.winner import winner

pytestmark = pytest.mark.usefixtures("no_figures")


def chosen(monkeypatch: pytest.MonkeyPatch, study: Path, method: str) -> list[RunKey]:
    """The runs of a method at the largest size: from now on those that validation chose."""
    with Ledger(study / LEDGER, readonly=True) as ledger:
        runs = [key for key in ledger.keys() if (key.method, key.size) == (method, 32)]  # noqa: SIM118
        outcome = ledger.outcome(runs[0].run_id)
    monkeypatch.setattr("weft.study.winner.best_run", lambda _: (runs[0], outcome))
    return runs


def test_all_labels_train_as_long_as_was_found(study: Path) -> None:
    said = weft("train", "--from", study, "-o", "m")
    assert said.code == 0, said.err
    key, _ = best_run(study)
    data = load(DataSettings(source="reviews.csv"))
    assert data.validation is not None
    labels = len(data.train) + len(data.validation)
    assert labels == 120 - len(data.test)
    card = json.loads(Path("m/weft.json").read_text(encoding="utf-8"))
    assert card["method"] == key.method
    claim = json.loads(Path("m/claim.json").read_text(encoding="utf-8"))
    words = " ".join(claim["sentences"])
    assert words in said.out.replace("\n", " ")
    assert f"all {labels} labels" in words
    assert "No validation score can be given" in words
    assert key.name in words
    page = ModelCard.load("m/README.md")
    assert words in page.text
    assert page.data.eval_results is not None


def test_its_test_score_is_its_own(study: Path) -> None:
    assert weft("train", "--from", study, "-o", "m", "-q").code == 0
    data = load(DataSettings(source="reviews.csv"))
    names = np.asarray(data.label_names)[data.test.labels]
    right = float(np.mean(load_model("m").predict(list(data.test.texts)) == names))
    claim = json.loads(Path("m/claim.json").read_text(encoding="utf-8"))
    scores = {one["metric"]: one for one in claim["scores"]}
    assert scores["accuracy"]["value"] == pytest.approx(right)
    assert scores["accuracy"]["low"] < right <= scores["accuracy"]["high"]
    assert claim["test_examples"] == len(names)


@pytest.mark.parametrize("method", ["lora", "probe", "tfidf"])
def test_steps_and_penalty_are_those_found(
    study: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    runs = chosen(monkeypatch, study, method)
    with Ledger(study / LEDGER, readonly=True) as ledger:
        outcomes = [ledger.outcome(key.run_id) for key in runs]
        steps = [
            row.step
            for key, outcome in zip(runs, outcomes, strict=True)
            for row in ledger.epochs(key.run_id)
            if outcome is not None and row.epoch == outcome.best_epoch
        ]
    found = winner(study)
    told: list[Refitted] = []
    refit(study, found, Path("m"), lambda _: None, "typed", told.append)
    (made,) = told
    if method == "lora":
        assert found.steps == round(median(steps))
        assert made.steps == found.steps
    else:
        penalties = [outcome.extra["C"] for outcome in outcomes if outcome is not None]
        assert found.c == min(penalties)
        assert made.steps is None
    card = json.loads(Path("m/weft.json").read_text(encoding="utf-8"))
    own = study / "runs" / runs[0].run_id / "adapter" / "weft.json"
    there = json.loads(own.read_text(encoding="utf-8"))
    assert card["calibration"]["temperature"] == there["calibration"]["temperature"]
    assert "taken over" in card["calibration"]["reason"]


def test_it_takes_the_place_of_nothing_but_a_model(study: Path) -> None:
    Path("mine").mkdir()
    Path("mine/README.md").write_text("my own", encoding="utf-8")
    said = weft("train", "--from", study, "-o", "mine")
    assert said.code != 0
    assert "README.md" in said.err
    assert Path("mine/README.md").read_text(encoding="utf-8") == "my own"
    run = next((study / "runs").glob("*-*"))
    said = weft("train", "--from", study, "-o", run / "adapter")
    assert said.code != 0
    assert "lies among the runs of a study" in said.err


def test_beside_it_may_lie_what_it_does_not_write(study: Path) -> None:
    Path("m").mkdir()
    Path("m/notes.txt").write_text("my own", encoding="utf-8")
    Path("m/nowhere").symlink_to("gone")
    said = weft("train", "--from", study, "-o", "m", "-q")
    assert said.code == 0, said.err
    assert Path("m/notes.txt").read_text(encoding="utf-8") == "my own"
    assert not Path("m/.refit").exists()


def test_what_the_study_decides_is_refused(study: Path) -> None:
    said = weft("train", "--from", study, "--learning-rate", "0.1", "--size", "20", "-o", "m")
    assert said.code == 2
    assert re.search(r"sizes.*recipe.learning_rate|recipe.learning_rate.*sizes", said.err)
    assert not Path("m").exists()


def test_other_data_are_refused(study: Path) -> None:
    write_csv(Path("reviews.csv"), reviews(seed=5))
    said = weft("train", "--from", study, "-o", "m")
    assert said.code == 1
    assert "the data are not those" in said.err
    assert not Path("m").exists()


def test_the_data_may_have_moved(study: Path) -> None:
    Path("elsewhere").mkdir()
    Path("reviews.csv").rename("elsewhere/reviews.csv")
    assert weft("train", "--from", study, "-o", "m").code == 2
    said = weft("train", "elsewhere/reviews.csv", "--from", study, "-o", "m")
    assert said.code == 0, said.err


def test_a_renamed_file_is_refused(study: Path) -> None:
    """What tests is drawn by the name: another one would put test examples into training."""
    Path("reviews.csv").rename("renamed.csv")
    said = weft("train", "renamed.csv", "--from", study, "-o", "m")
    assert said.code == 1
    assert "the data are not those" in said.err


@pytest.mark.usefixtures("fresh")
def test_without_data_and_study_there_is_nothing_to_do() -> None:
    said = weft("train", *SMALL[:2])
    assert said.code == 2
    assert "needs labelled texts" in said.err


def test_it_says_beforehand_how_long_and_then_how_far(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No terminal is there: a line at the start, and one at every tenth of the steps at most."""
    chosen(monkeypatch, study, "lora")
    said = weft("train", "--from", study, "-o", "m")
    assert said.code == 0, said.err
    steps = winner(study).steps
    assert steps is not None
    examples = steps * 8  # less than a pass: the study's runs had 32 labels
    start = said.err.index(f"{steps:,} steps as found, {examples} examples")
    told = re.findall(r"step (\d+) of (\d+)", said.err[start:])
    assert told[-1] == (str(steps),) * 2
    assert 1 < len(told) <= 10
    claim = json.loads(Path("m/claim.json").read_text(encoding="utf-8"))
    took = f"It took {steps} steps, as found by 2 runs of the study: {examples} of them, drawn"
    assert took in claim["sentences"][0]
    assert "step" not in weft("train", "--from", study, "-o", "m", "-q").err


@pytest.mark.parametrize(("steps", "examples"), [(1, 8), (2, 16), (3, 20), (4, 28), (6, 40)])
def test_the_last_batch_of_a_pass_is_smaller(steps: int, examples: int) -> None:
    assert _examples(steps, 20, 8) == examples
