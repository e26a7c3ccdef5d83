"""Checkpoints: which one is gone on from, and when one is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from weft.errors import StudyError
from weft.study import checkpoints as module
from weft.study.checkpoints import FACT, Checkpoints
from weft.study.ledger import Ledger
from weft.training.snapshot import Snapshot


def snapshot(number: int) -> Snapshot:
    words = {"schema": 1, "slots": 1, "seated": [], "waiting": [], "number": number}
    return Snapshot({"a": torch.full((64,), float(number))}, words)


class Place:
    """A study's folder with its ledger."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.runs = folder / "runs"
        self.newest = self.runs / ".bank-lora.safetensors"
        self.older = self.runs / ".bank-lora.previous.safetensors"
        self.said: list[str] = []
        self._folder = folder

    def write(self, *numbers: int, commit: bool = True) -> None:
        """As one process would, one after the other."""
        own = self.open()
        for number in numbers:
            name = own.write(snapshot(number), {})
            if commit:
                name()

    def open(self) -> Checkpoints:
        return Checkpoints(self._folder, "lora", self.ledger)

    def read(self) -> int | None:
        found = self.open().latest(self.said.append)
        if found is None:
            return None
        assert found.tensors["a"][0] == found.words["number"]
        return found.words["number"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.ledger.close()


def test_the_newest_is_used_and_one_before_it_is_kept(place: Place) -> None:
    assert place.read() is None
    place.write(1, 2, 3)
    assert place.read() == 3
    assert sorted(path.name for path in place.runs.iterdir()) == [
        ".bank-lora.previous.safetensors",
        ".bank-lora.safetensors",
    ]
    assert place.said == []


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [torn, altered, missing])
def test_a_harmed_one_is_told_and_the_one_before_it_used(
    place: Place, harm: Callable[[Path], None]
) -> None:
    place.write(1, 2)
    harm(place.newest)
    assert place.read() == 1
    assert "missing, torn or altered" in place.said[0]
    assert "the one before it is used" in place.said[0]
    place.write(3)
    place.said.clear()
    assert place.read() == 3
    assert place.said == []
    harm(place.newest)
    assert place.read() == 1  # which the write after the harm has kept


def test_where_both_are_harmed_it_is_said(place: Place) -> None:
    place.write(1, 2)
    torn(place.newest)
    altered(place.older)
    assert place.read() is None
    assert "none is left" in place.said[-1]


def test_one_that_the_ledger_does_not_name_does_not_count(place: Place) -> None:
    """As a process leaves it that was killed between the file and the ledger."""
    place.write(1, 2)
    place.write(3, commit=False)
    assert place.read() == 2
    assert place.said == []
    place.write(4)
    assert place.read() == 4
    torn(place.newest)
    assert place.read() == 2


def test_killed_between_the_two_renames(place: Place) -> None:
    place.write(1, 2)
    place.newest.replace(place.older)
    assert place.read() == 2
    assert place.said == []
    place.write(3)
    torn(place.newest)
    assert place.read() == 2


def test_another_machine_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(1)
    there = module.describe()
    there["threads"] = int(there["threads"]) + 1
    monkeypatch.setattr(module, "describe", lambda: there)
    assert place.read() == 1
    assert "with threads" in place.said[0]
    assert "last bits" in place.said[0]


def test_methods_do_not_disturb_each_other(place: Place, tmp_path: Path) -> None:
    place.write(1)
    other = Checkpoints(tmp_path, "full", place.ledger)
    other.write(snapshot(7), {})()
    assert place.read() == 1
    place.open().forget()
    place.open().clear()
    assert place.read() is None
    found = other.latest(place.said.append)
    assert found is not None
    assert found.words["number"] == 7
    other.forget()
    other.clear()
    assert FACT not in place.ledger.facts()
    assert list(place.runs.iterdir()) == []


def test_a_full_disk_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_snapshot", full)
    with pytest.raises(StudyError, match="No space left"):
        place.write(2)
    monkeypatch.undo()
    assert place.read() == 1
    assert place.said == []
