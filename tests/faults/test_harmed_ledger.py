"""A ledger that is torn, altered or gone is rebuilt from the runs' folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from weft.errors import StudyError
from weft.study.ledger import Ledger
from weft.study.notices import RunDone, Working
from weft.study.runner import run_study
from weft.training.events import EpochEnd, Settled, Stepped

from ..cli.command import weft
from .compare import assert_same, rows
from .study import config, make_place

LEDGER = "ledger.sqlite"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """The study whose ledger was never harmed."""
    assert run_study(config(place), place / "whole", lambda _: None, "typed")
    return place / "whole"


@pytest.fixture(scope="module")
def cut(place: Path) -> Path:
    """A study that fell when three runs had ended, others were in the middle and some waited."""
    folder, left = place / "cut", [3]

    def fall(event: object) -> None:
        left[0] -= isinstance(event, RunDone)
        if left[0] == 0:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        run_study(config(place), folder, fall, "typed")
    return folder


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def no_header(path: Path) -> None:
    path.write_bytes(bytes(100) + path.read_bytes()[100:])


def holes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.unlink()


def rubbish(path: Path) -> None:
    """And a half-written transaction beside it, which must not be taken for the new one's."""
    path.write_bytes(b"rubbish" * 4000)
    path.with_name(f"{LEDGER}-journal").write_bytes(path.read_bytes()[:2048])


HARMS = [torn, no_header, holes, empty, gone, rubbish]


@pytest.mark.parametrize("harm", HARMS)
def test_a_study_goes_on_from_a_rebuilt_ledger(
    place: Path, whole: Path, cut: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(cut, folder)
    before = rows(folder)
    harm(folder / LEDGER)
    harmed = (folder / LEDGER).read_bytes() if (folder / LEDGER).exists() else None
    events: list[object] = []
    assert run_study(config(place), folder, events.append, "typed")
    said = "\n".join(event.what for event in events if isinstance(event, Working))
    assert "rebuilt from the runs' folders: 3 runs finished, 0 failed, of 8" in said
    assert "goes on in the middle of" in said
    done = [row["run_id"] for row in before["runs"] if row["status"] == "done"]
    again = {event.key.run_id for event in events if isinstance(event, RunDone)}
    assert len(done) == 3
    assert not again & set(done), "a finished run was trained twice"
    kept = folder / "ledger.damaged.sqlite"
    assert (kept.read_bytes() if kept.exists() else None) == harmed
    assert not (folder / f"{LEDGER}-journal").exists()
    assert_same(whole, folder)
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        sessions = ledger.facts()["sessions"]
    assert [own["command"] for own in sessions] == ["typed", "typed"]


def test_what_is_rebuilt_in_the_middle_is_what_was_there(cut: Path, tmp_path: Path) -> None:
    from weft.study.rebuilt import mend

    folder = tmp_path / "study"
    shutil.copytree(cut, folder)
    before = rows(folder)
    empty(folder / LEDGER)
    mend(folder, lambda _: None)
    after = rows(folder)
    for table in ("runs", "epochs", "outcomes", "scores", "facts"):
        assert after[table] == before[table], table


def test_a_report_rebuilds_it_too(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(whole, folder)
    expected = weft("report", folder, "--json").out
    torn(folder / LEDGER)
    said = weft("report", folder, "--json")
    assert said.code == 0, said.err
    assert "rebuilt from the runs' folders: 8 runs finished" in said.err
    assert said.out == expected
    assert weft("report", folder, "--json").err == ""


def test_a_record_that_is_harmed_too_is_told_and_its_run_made_anew(
    place: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(whole, folder)
    (record,) = folder.glob("runs/lora-8-0-*/run.json")
    record.write_bytes(record.read_bytes()[:-40])
    torn(folder / LEDGER)
    events: list[object] = []
    assert run_study(config(place), folder, events.append, "typed")
    said = "\n".join(event.what for event in events if isinstance(event, Working))
    assert "7 runs finished" in said
    assert "the run is made anew" in said
    assert [e.key.run_id for e in events if isinstance(e, RunDone)] == [record.parent.name]


def test_a_folder_that_is_older_than_the_records_is_refused(
    place: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(whole, folder)
    (folder / "runs" / ".study.json").unlink()
    torn(folder / LEDGER)
    harmed = (folder / LEDGER).read_bytes()
    with pytest.raises(StudyError, match="damaged"):
        run_study(config(place), folder, lambda _: None, "typed")
    assert (folder / LEDGER).read_bytes() == harmed


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "number"), [(Stepped, 1), (EpochEnd, 2), (Settled, 9)])
def test_wherever_it_fell(
    place: Path, whole: Path, tmp_path: Path, kind: type, number: int
) -> None:
    left = [number]

    def fall(event: object) -> None:
        left[0] -= isinstance(event, kind)
        if left[0] == 0 and isinstance(event, kind):
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        run_study(config(place), tmp_path, fall, "typed")
    empty(tmp_path / LEDGER)
    assert run_study(config(place), tmp_path, lambda _: None, "typed")
    (tmp_path / "ledger.damaged.sqlite").unlink()
    assert_same(whole, tmp_path)
