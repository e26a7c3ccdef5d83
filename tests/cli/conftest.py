"""A folder with labelled reviews, a tiny encoder and a study that was run by the command line."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tests import tiny
from tests.cli.command import NEW_PROCESS, SMALL, Said, process, reviews, write_csv

from weft.study.ledger import Ledger

STUDY = Path("weft-studies/reviews-tiny")
"""Where the small study lies: the default place."""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user's: `reviews.csv`, and an encoder in `tiny`."""
    folder = tmp_path_factory.mktemp("shop")
    write_csv(folder / "reviews.csv", reviews())
    tiny.save(folder / "tiny", "bert")
    return folder


@pytest.fixture(scope="session")
def finished(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """The shop after the small study was run in a process of its own, and what that said."""
    folder = tmp_path_factory.mktemp("finished") / "shop"
    shutil.copytree(shop, folder)
    return folder, process(*NEW_PROCESS, "study", "reviews.csv", *SMALL, cwd=folder)


@pytest.fixture
def fresh(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shop to work in, without a study."""
    return _enter(shop, tmp_path, monkeypatch)


@pytest.fixture
def study(finished: tuple[Path, Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shop to work in, with the finished study; its folder, relative."""
    _enter(finished[0], tmp_path, monkeypatch)
    return STUDY


def _enter(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(folder, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take two seconds a study: left out where a test does not look at them."""
    import weft.report  # noqa: F401 (makes the module below known)

    monkeypatch.setattr(sys.modules["weft.report.write"], "draw_all", lambda _: {})


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run ids in the order in which a study begins to make them."""
    ids: list[str] = []
    start = Ledger.start

    def spy(self: Ledger, run_id: str) -> None:
        ids.append(run_id)
        start(self, run_id)

    monkeypatch.setattr(Ledger, "start", spy)
    return ids
