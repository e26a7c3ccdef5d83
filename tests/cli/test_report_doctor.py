"""`weft report` rebuilds what a study's folder can tell; `weft doctor` tells of the machine."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.command import process, tree, weft
from tests.cli.conftest import STUDY

from weft.evidence.scores import Scores
from weft.study.ledger import Ledger
from weft.study.record import Outcome, RunKey

OUTSIDE = """
import sys
from weft.cli import main
sys.argv = ["weft", "report", sys.argv[1]]
try:
    main()
finally:
    print(sorted({"torch", "transformers", "peft"} & set(sys.modules)), file=sys.stderr)
"""


def test_a_report_is_rebuilt_byte_for_byte_without_torch(
    study: Path, finished: tuple[Path, object]
) -> None:
    before = tree(finished[0] / STUDY)
    shutil.rmtree(study / "figures")
    for path in [*study.glob("results.*"), *study.glob("runs/*/training_log.csv")]:
        path.unlink()
    said = process(sys.executable, "-c", OUTSIDE, str(study), cwd=Path.cwd())
    assert said.code == 0, said.err
    assert said.err.splitlines()[-1] == "[]"
    assert "Answer." in said.out
    assert tree(study) == before


@pytest.mark.usefixtures("no_figures")
def test_several_studies_are_reported(study: Path) -> None:
    shutil.copytree(study, "second")
    said = weft("report", study, "second")
    assert said.code == 0, said.err
    assert said.out.count("Answer.") == 2
    assert str(study / "results.md") in said.out
    assert "second/results.md" in said.out


@pytest.mark.usefixtures("no_figures")
def test_two_studies_are_set_side_by_side(study: Path) -> None:
    shutil.copytree(study, "second")
    said = weft("report", study, "second", "--out", "both")
    assert said.code == 0, said.err
    assert "Side by side" in said.out
    assert "LoRA of second and LoRA of reviews-tiny differ" in said.out
    for name in ("comparison.html", "comparison.md"):
        assert f"both/{name}" in said.out
        assert "reviews-tiny" in (Path("both") / name).read_text(encoding="utf-8")
    here = set(Path().iterdir())
    said = weft("report", study, "second")
    assert str(study / "comparison.html") in said.out, "without --out, with the first study"
    assert (study / "comparison.html").is_file()
    assert set(Path().iterdir()) == here


@pytest.mark.usefixtures("no_figures")
def test_studies_of_one_name_get_folders_of_their_own(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("first/same", "other/Same"):
        shutil.copytree(study, folder)
    said = weft("report", "first/same", "other/Same", "--out", "both", "--json")
    assert said.code == 0, said.err
    names = {path.name for path in Path("both").iterdir()}
    assert names == {"1-same", "2-Same", "comparison.html", "comparison.md"}
    (Path("other/Same") / "below").mkdir()
    monkeypatch.chdir("other/Same/below")
    out = Path("../../../deep/out")
    said = weft("report", "..", f"../../../{study}", "--out", str(out), "--json")
    assert said.code == 0, said.err
    assert {path.name for path in out.parent.iterdir()} == {"out"}, "nothing beside it"
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"Same", study.name}


@pytest.mark.usefixtures("no_figures")
def test_texts_are_read_again_or_left_out(study: Path) -> None:
    page = study / "report.html"
    assert 'class="text"' in page.read_text(encoding="utf-8"), "as `weft study` left it"
    assert weft("report", study, "--no-texts", "--note", "Whose <data>.").code == 0
    said = page.read_text(encoding="utf-8")
    assert 'class="text"' not in said
    assert "Whose &lt;data&gt;." in said
    Path("reviews.csv").unlink()
    assert weft("report", study).code == 0
    assert "reviews.csv" in page.read_text(encoding="utf-8").partition('id="errors"')[2]
    assert "Conflicting labels" in page.read_text(encoding="utf-8"), "the check is kept"


@pytest.mark.usefixtures("no_figures")
def test_the_wanted_precision_is_the_users(study: Path) -> None:
    threshold = json.loads(weft("report", study, "--json").out)["threshold"]
    assert threshold["wanted"] == 0.95
    said = weft("report", study, "--target-precision", "0.5")
    assert said.code == 0, said.err
    kept = json.loads((study / "results.json").read_text(encoding="utf-8"))["threshold"]
    assert kept["wanted"] == 0.5
    words = (study / "results.md").read_text(encoding="utf-8")
    assert "with a precision of 50 %" in words
    if kept["value"] is not None:  # what the page says is what `weft predict` goes by
        told = weft("predict", f"{study}:best", "good", "--target-precision", "0.5").err
        assert f"at a probability of {kept['value']:.3f} or more" in told
        assert f"at a probability of {kept['value']:.3f} or more" in words
    said = weft("report", study, "--target-precision", "1")
    assert said.code == 2
    assert "--target-precision is a precision between 0 and 1" in said.err


@pytest.mark.usefixtures("no_figures")
def test_json_of_one_study_and_of_several(study: Path) -> None:
    shutil.copytree(study, "second")
    said = weft("report", study, "--json")
    assert (said.code, said.err) == (0, "")
    assert len(json.loads(said.out)["runs"]) == 12
    said = weft("report", study, "second", "--json")
    assert said.code == 0, said.err
    assert [len(one["runs"]) for one in json.loads(said.out)] == [12, 12]


@pytest.mark.usefixtures("no_figures")
def test_a_target_is_of_this_report_and_else_the_studys_own(study: Path) -> None:
    said = weft("report", study, "--target", "0.999")
    assert said.code == 0, said.err
    assert "How many labels 99.9 % takes is not forecast" in said.out
    assert json.loads((study / "results.json").read_text(encoding="utf-8"))["target"] == 0.999
    assert "99.9 %" not in weft("report", study).out
    with Ledger(study / "ledger.sqlite") as ledger:
        ledger.set_facts({"target": 0.987})
    assert "How many labels 98.7 % takes" in weft("report", study).out


@pytest.mark.parametrize("target", ["0", "1", "90", "-1"])
def test_a_target_that_is_no_accuracy_is_refused(study: Path, target: str) -> None:
    said = weft("report", study, "--target", target)
    assert (said.code, said.out) == (2, "")
    assert "--target is an accuracy between 0 and 1" in said.err
    assert "e.g. 0.90" in said.err


def test_the_answer_is_followed_by_differences_and_the_models_own_interval(study: Path) -> None:
    out = weft("report", study).out
    assert "Differences in test accuracy, 95 % intervals by Holm's procedure" in out
    assert "All 7 comparisons are in results.md." in out
    assert "of this model as it is)" in out
    assert "2*" in out
    assert "training noise not measured" in out


def test_a_study_with_too_few_sizes_cannot_be_back_tested(study: Path) -> None:
    said = weft("report", study, "--backtest")
    assert (said.code, said.out) == (1, "")
    assert "too few sizes or seeds" in said.err
    assert "found:  2 sizes; a back-test takes 5 or more" in said.err
    assert "--sizes 250:16000:7" in said.err


def ladder(folder: Path) -> Path:
    """A study of six sizes in which only the scores are there."""
    scores = Scores(100, 0.4, 0.8, 0.8, 0.8, 0.8, ((40, 10), (10, 40)))
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.set_facts({"data": {"validation": 100}})
        for size in (250, 500, 1000, 2000, 4000, 8000):
            for seed in range(3):
                key = RunKey(f"probe-{size}-{seed}", "probe", size, seed)
                own = replace(scores, accuracy=0.9 - 0.2 * (250 / size) ** 0.5 + 0.004 * seed)
                ledger.plan([key])
                ledger.start(key.run_id)
                ledger.finish(key.run_id, Outcome(own, own, 10, 10, 0, 0, 1.0, 1.0))
    return folder


def test_the_forecast_is_held_against_sizes_that_were_run(tmp_path: Path) -> None:
    folder = ladder(tmp_path / "ladder")
    before = tree(folder)
    said = weft("report", folder, "--backtest")
    assert said.code == 0, said.err
    lines = [line.split() for line in said.out.splitlines()]
    ways = [line for line in lines if "%" in line[2:-1] and len(line) < 12]
    assert [" ".join(line[:-6]) for line in ways] == ["probe forecast", "last value", "log-linear"]
    for line in ways:
        assert line[-6] == "3"
    assert "probe: the forecast does better than both, so it is shown." in said.out
    assert tree(folder) == before, "nothing is written"
    said = weft("report", folder, "--backtest", "--json")
    rows = json.loads(said.out)
    assert {row["way"] for row in rows} == {"forecast", "last value", "log-linear"}
    assert {"miss", "coverage", "width", "interval_score"} <= set(rows[0])


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("status", ["planned", "running", "failed"])
def test_a_study_without_a_finished_run_is_reported(study: Path, status: str) -> None:
    with sqlite3.connect(study / "ledger.sqlite") as db:
        db.execute("DELETE FROM outcomes")
        db.execute("DELETE FROM scores")
        db.execute("UPDATE runs SET status = ?", (status,))
    db.close()
    said = weft("report", study)
    assert said.code == 0, said.err
    assert "No run is done yet" in said.out
    assert str(study / "results.md") in said.out


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_what_is_no_study_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    said = weft("report", name)
    assert (said.code, said.out) == (1, "")
    assert f"There is no study in {name}" in said.err
    assert not Path("nowhere").exists()
    assert list(Path("empty").iterdir()) == []


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
def test_the_doctor_finds_this_machine_well() -> None:
    said = weft("doctor")
    assert (said.code, said.err) == (0, ""), said.out
    for part in ("Python", "torch", "memory", "MiniLM", "hub"):
        assert part in said.out


@pytest.mark.usefixtures("offline")
def test_the_doctors_findings_in_json() -> None:
    said = weft("doctor", "--json")
    assert (said.code, said.err) == (0, "")
    checks = json.loads(said.out)
    assert {frozenset(check) for check in checks} == {
        frozenset(("name", "state", "found", "remedy"))
    }
    assert {check["state"] for check in checks} <= {"ok", "note"}


def test_the_doctor_is_1_where_something_necessary_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from weft.machine import Check
    from weft.nn.native.library import instructions

    found = [Check("Python", "ok", "here"), Check("[disk]", "fail", "[full]", "free [some] space")]
    monkeypatch.setattr("weft.machine.checks", lambda: found)
    said = weft("doctor")
    assert said.code == 1
    for part in ("[disk]", "[full]", "[some]"):
        assert part in said.out
    said = weft("doctor", "--json")
    assert said.code == 1
    kernels = "note" if instructions() is None else "ok"
    assert [check["state"] for check in json.loads(said.out)] == ["ok", "fail", kernels]
