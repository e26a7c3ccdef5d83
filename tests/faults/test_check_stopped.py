"""`weft check --labels`, stopped and begun again, finds what one that was never stopped finds."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weft.training.kept import Kept

from ..cli.command import process, weft
from .study import make_place

WORDS = (
    *("check", "reviews.csv", "--labels", "--labels-size", "60", "--backbone", "tiny"),
    *("--precision", "float32", "--epochs", "2", "--batch-size", "8", "--json"),
)
STEPS = 12
"""Two epochs of six steps, all five folds in one bank."""
_KILLED = """
import os, signal, sys
from weft.training.kept import Kept
settle, left = Kept.settle, [int(sys.argv.pop(1))]
def kill(*given):
    settle(*given)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Kept.settle = kill
from weft.cli import main
main()
"""


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data and encoder, to work in."""
    folder = make_place(tmp_path_factory.mktemp("place"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def whole(place: Path) -> str:
    """What one that was never stopped prints."""
    del place
    return weft(*WORDS).out


def at_each_step(patch: pytest.MonkeyPatch, signalled: int) -> list[int]:
    """Steps that are counted from now on; at that one Ctrl-C is pressed."""
    steps, settle = [0], Kept.settle

    def count(*given: Any) -> None:
        steps[0] += 1
        if steps[0] == signalled:
            os.kill(os.getpid(), signal.SIGINT)
        settle(*given)

    patch.setattr(Kept, "settle", count)
    return steps


def goes_on(place: Path, whole: str, steps: int) -> None:
    """The same command takes so many steps, finds the same, and leaves nothing behind."""
    with pytest.MonkeyPatch.context() as patch:
        taken = at_each_step(patch, 0)
        said = weft(*WORDS)
    assert (said.code, said.out) == (0, whole)
    assert taken == [steps]
    assert not (place / "weft-studies").exists()


def test_ctrl_c_leaves_with_130_and_the_same_command_goes_on(place: Path, whole: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at_each_step(patch, 9)
        said = weft(*WORDS)
    assert (said.code, said.out) == (130, "")
    assert f"goes on from where it was:\n  weft {' '.join(WORDS)}" in said.err
    goes_on(place, whole, STEPS - 9)


def test_killed_it_goes_on_from_the_last_epoch(place: Path, whole: str) -> None:
    killed = process(sys.executable, "-c", _KILLED, "8", *WORDS, cwd=place)
    assert killed.code == -9, killed.err
    goes_on(place, whole, STEPS - 6)


def test_a_torn_state_is_said_and_the_folds_begin_anew(place: Path, whole: str) -> None:
    killed = process(sys.executable, "-c", _KILLED, "8", *WORDS, cwd=place)
    assert killed.code == -9, killed.err
    for path in (place / "weft-studies").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    said = weft(*WORDS)
    assert (said.code, said.out) == (0, whole)
    assert "is torn or altered: none is left, it begins anew" in said.err
