"""`weft report` rebuilds what a study's folder can tell; `weft doctor` tells of the machine."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from tests.cli.command import process, tree, weft
from tests.cli.conftest import STUDY

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
def test_json_of_one_study_and_of_several(study: Path) -> None:
    shutil.copytree(study, "second")
    said = weft("report", study, "--json")
    assert (said.code, said.err) == (0, "")
    assert len(json.loads(said.out)["runs"]) == 12
    said = weft("report", study, "second", "--json")
    assert said.code == 0, said.err
    assert [len(one["runs"]) for one in json.loads(said.out)] == [12, 12]


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
