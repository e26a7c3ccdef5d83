"""One process a study; whoever comes second is told who holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import SRC

from weft.errors import StudyError
from weft.study.lock import FILE, held

_HOLD = """
import sys, time
from pathlib import Path
from weft.study.lock import held
with held(Path(sys.argv[1]), "weft study mine"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_holds_it_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StudyError, match="Another process") as caught, held(folder, "second"):
            pass
        for part in (f"process {other.pid} on ", "weft study mine", f"kill -INT {other.pid}"):
            assert part in str(caught.value)
        other.kill()
        other.wait()
    assert (folder / FILE).exists()  # as a killed one leaves it
    with held(folder, "second"):
        pass
    assert not (folder / FILE).exists()


def test_nothing_is_left_of_a_folder_that_stayed_empty(tmp_path: Path) -> None:
    with held(tmp_path / "new", "typed"):
        assert (tmp_path / "new" / FILE).is_file()
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").mkdir()
    with held(tmp_path / "there", "typed"):
        pass
    assert list((tmp_path / "there").iterdir()) == []


def test_it_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), held(tmp_path, "typed"):
        raise KeyboardInterrupt
    with held(tmp_path, "typed"), pytest.raises(StudyError), held(tmp_path, "again"):
        pass


def test_a_name_that_was_taken_away_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened before the holder left, locked after: the file is gone, and another's may be there."""
    from weft.study import lock

    taken = lock._lock

    def late(handle: int) -> bool:
        monkeypatch.setattr(lock, "_lock", taken)
        (tmp_path / FILE).unlink()
        return taken(handle)

    monkeypatch.setattr(lock, "_lock", late)
    with (
        held(tmp_path, "typed"),
        pytest.raises(StudyError, match="Another process"),
        held(tmp_path, "x"),
    ):
        pass
