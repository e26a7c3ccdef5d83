"""A clock that jumps, and a data file that changes under way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from weft.errors import StudyError
from weft.study.ledger import Ledger
from weft.study.notices import Working
from weft.study.runner import run_study
from weft.training.events import EpochEnd, Settled

from .compare import assert_same
from .study import config, make_place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_place(tmp_path / "place")


def small(place: Path) -> Any:
    return config(place, sizes=[8, 16], methods=["tfidf", "probe", "lora"])


def test_a_clock_that_jumps_changes_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day and the hour are for the record alone; what is measured has a clock of its own."""
    assert run_study(small(place), tmp_path / "whole", lambda _: None, "typed")
    said = iter(range(1_900_000_000, 0, -86_400))
    strftime = time.strftime

    def back(form: str, *when: Any) -> str:
        return strftime(form, *(when or (time.gmtime(next(said)),)))

    monkeypatch.setattr(time, "time", lambda: float(next(said)))
    monkeypatch.setattr(time, "time_ns", lambda: next(said) * 10**9)
    monkeypatch.setattr(time, "strftime", back)
    left = [5]

    def fall(event: object) -> None:
        left[0] -= isinstance(event, Settled)
        if left[0] == 0 and isinstance(event, Settled):
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        run_study(small(place), tmp_path / "cut", fall, "typed")
    events: list[object] = []
    assert run_study(small(place), tmp_path / "cut", events.append, "typed")
    assert_same(tmp_path / "whole", tmp_path / "cut")
    with Ledger(tmp_path / "cut" / "ledger.sqlite", readonly=True) as ledger:
        runs, sessions = ledger.runs(), ledger.facts()["sessions"]
    assert (runs["seconds"] > 0).all()
    assert all(event.seconds > 0 for event in events if isinstance(event, EpochEnd))
    assert sessions[0]["begun"] > sessions[1]["begun"] > sessions[1]["ended"]


def test_data_that_change_while_it_runs_are_told_and_have_no_part_in_it(
    place: Path, tmp_path: Path
) -> None:
    assert run_study(small(place), tmp_path / "whole", lambda _: None, "typed")
    data = place / "reviews.csv"
    before, events = data.read_bytes(), list[object]()

    def change(event: object) -> None:
        events.append(event)
        if isinstance(event, Settled):
            data.write_bytes(b"text,label\nquite other,good\n")

    assert run_study(small(place), tmp_path / "study", change, "typed")
    said = [event.what for event in events if isinstance(event, Working)]
    assert "warning: reviews.csv is not what it was" in said[-1]
    data.write_bytes(before)
    assert_same(tmp_path / "whole", tmp_path / "study")
    events.clear()
    assert run_study(small(place), tmp_path / "study", events.append, "typed")
    assert not [e for e in events if isinstance(e, Working) and "warning" in e.what]


def test_data_that_changed_before_it_goes_on_are_refused(place: Path, tmp_path: Path) -> None:
    def fall(event: object) -> None:
        if isinstance(event, Settled):
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        run_study(small(place), tmp_path / "study", fall, "typed")
    data = place / "reviews.csv"
    text = data.read_text(encoding="utf-8")
    data.write_text(text + "one more,good\n", encoding="utf-8")
    ledger = (tmp_path / "study" / "ledger.sqlite").read_bytes()
    with pytest.raises(StudyError, match="the data are not those"):
        run_study(small(place), tmp_path / "study", lambda _: None, "typed")
    assert (tmp_path / "study" / "ledger.sqlite").read_bytes() == ledger
