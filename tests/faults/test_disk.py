"""A disk that is full at any write, and a folder that may only be read."""

from __future__ import annotations

import json
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from weft.errors import StudyError
from weft.study.ledger import Ledger
from weft.study.runner import run_study

from ..cli.command import weft
from .compare import assert_same
from .mounts import read_only, small_disk
from .study import config, make_place, nursery

STEP = 24 << 10
"""Bytes by which the disk has more room at each try."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """The study that had room."""
    assert run_study(config(place), place / "whole", lambda _: None, "typed")
    return place / "whole"


@pytest.mark.slow
def test_a_disk_that_is_full_at_every_write(place: Path, whole: Path, tmp_path: Path) -> None:
    """A little more room at each try, until the study is through: nothing is lost on the way."""
    size = sum(path.stat().st_size + 4096 for path in whole.rglob("*")) + (4 << 20)
    said: list[str] = []
    with small_disk(tmp_path / "disk", size) as disk:
        folder, ballast = disk / "study", disk / "ballast"
        done = 0
        while len(said) < 400:
            _fill(ballast, shutil.disk_usage(disk).free, len(said) * STEP - _used(folder))
            try:
                assert run_study(config(place), folder, lambda _: None, "typed")
                break
            except StudyError as error:
                said.append(str(error))
            assert _done(folder) >= done, "a finished run was lost"
            done = _done(folder)
        ballast.unlink(missing_ok=True)
        assert_same(whole, folder)
    print(json.dumps({"full": len(said), "step": STEP}))
    assert len(said) >= 10
    for text in said:
        assert str(folder) in text
        assert "remedy: free some" in text, text
    assert sum(bool(re.search(r"MB free, and the whole study takes up to \d", t)) for t in said) > 8


def _used(folder: Path) -> int:
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in folder.rglob("*") if p.is_file())


def _fill(ballast: Path, free: int, left: int) -> None:
    """Makes a file such that `left` bytes stay free on its disk."""
    free += ballast.stat().st_size if ballast.exists() else 0
    ballast.unlink(missing_ok=True)
    with ballast.open("wb") as file:
        for _ in range(max(0, free - max(left, 0)) >> 12):
            file.write(bytes(4096))


def _done(folder: Path) -> int:
    try:
        with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
            return list(ledger.statuses().values()).count("done")
    except StudyError:
        return 0


@pytest.mark.slow
def test_files_that_may_not_grow(place: Path, whole: Path, tmp_path: Path) -> None:
    """The same where no disk can be mounted: a limit on the size of any file."""
    limits = [1 << 10, 8 << 10, 30 << 10, 60 << 10, 100 << 10, 150 << 10, 250 << 10]
    failed = 0
    with nursery() as forks:
        for limit in limits:
            came = forks.run(config(place), tmp_path, limit=limit)
            failed += came["code"] != 0
            if came["code"] != 0:
                assert came["said"].startswith("StudyError"), came
                assert str(tmp_path) in came["said"]
                assert "remedy:" in came["said"]
        assert forks.run(config(place), tmp_path)["code"] == 0
    assert failed >= 3
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert_same(whole, tmp_path)


def test_a_checkpoint_that_does_not_fit_leaves_no_half_of_it(
    place: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.training import checkpoint

    write, count = checkpoint._write, [0]

    def full(path: Path, *rest: object) -> str:
        count[0] += 1
        if count[0] == 9:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device", str(path))
        return write(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "_write", full)
    with pytest.raises(StudyError, match="is full") as caught:
        run_study(config(place), tmp_path, lambda _: None, "typed")
    assert "the whole study takes up to" in str(caught.value)
    assert not list(tmp_path.rglob("*.part"))
    assert run_study(config(place), tmp_path, lambda _: None, "typed")
    assert_same(whole, tmp_path)


# Read-only


def test_a_report_of_a_folder_that_may_only_be_read(whole: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(whole, study)
    with read_only(study):
        said = weft("report", study)
        assert said.code == 0, said.err
        assert "Answer." in said.out
        assert "--out" in said.err
        told = weft("report", study, "--json")
        assert json.loads(told.out)["runs"]
        said = weft("report", study, "--out", tmp_path / "there")
        assert said.code == 0, said.err
        assert said.err == ""
        assert (tmp_path / "there" / "results.json").read_text() == told.out
    assert not (study / "results.md").exists()


def test_a_half_written_ledger_is_read_where_nothing_may_be_written(
    whole: Path, tmp_path: Path
) -> None:
    """Killed in the middle of a transaction, then put on a disk that may only be read."""
    study = tmp_path / "study"
    shutil.copytree(whole, study)
    kill = (
        "import os, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN')\n"
        "db.execute(\"UPDATE runs SET status = 'failed', error = hex(zeroblob(90000))\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", kill, study / "ledger.sqlite"], check=False)
    assert (study / "ledger.sqlite-journal").stat().st_size > 0
    with read_only(study), Ledger(study / "ledger.sqlite", readonly=True) as ledger:
        assert set(ledger.statuses().values()) == {"done"}
    db = sqlite3.connect(study / "ledger.sqlite")
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    db.close()


def test_a_study_in_a_folder_that_may_only_be_read_says_so(
    place: Path, whole: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    shutil.copytree(whole, study)
    with read_only(study), pytest.raises(StudyError, match="cannot be written"):
        run_study(config(place), study, lambda _: None, "typed")
