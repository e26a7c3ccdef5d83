"""Memory that does not last: the bank is made smaller, and that is as well defined as the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from weft.errors import TrainingError
from weft.nn.bank import Bank
from weft.study import starved
from weft.study.ledger import Ledger
from weft.study.notices import RunDone, Working
from weft.study.runner import run_study
from weft.training.events import RunBegin, Settled, Stepped

from .compare import assert_same
from .study import config, make_place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("place"))


class Meagre:
    """A machine whose memory bears so many runs at once, from some step of the bank on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runs: int, after: int) -> None:
        forward = Bank.forward
        self.steps = 0

        def starve(bank: Bank, strips: Any, streams: Any = None, *more: Any) -> Any:
            self.steps += streams is not None
            if streams is not None and bank.slots > runs and self.steps > after:
                torch.empty(1 << 60)  # what PyTorch says then is its own
            return forward(bank, strips, streams, *more)

        monkeypatch.setattr(Bank, "forward", starve)


def fact(folder: Path, name: str) -> Any:
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        return ledger.facts().get(name)


def statuses(folder: Path) -> list[str]:
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        return list(ledger.statuses().values())


def working(events: list[object]) -> str:
    return "\n".join(event.what for event in events if isinstance(event, Working))


def test_the_bank_is_split_from_its_last_checkpoint(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Meagre(monkeypatch, runs=1, after=12)
    events: list[object] = []
    assert run_study(config(place), tmp_path / "whole", events.append, "typed")
    assert statuses(tmp_path / "whole") == ["done"] * 8
    (told,) = fact(tmp_path / "whole", "memory")["lora"]
    assert (told["slots"], told["before"]) == (1, 3)
    assert "allocate memory" in told["why"]
    assert "from the last checkpoint on, 1 run at once instead of 3" in working(events)
    began = [event.run_id for event in events if isinstance(event, RunBegin)]
    ended = [event.key.run_id for event in events if isinstance(event, RunDone)]
    assert len(ended) == len(set(ended)) == 8
    assert len(began) <= 8 + 2  # those that waited in the checkpoint begin once more at most


@pytest.mark.parametrize("number", [6, 14, 17, 25])
def test_stopped_before_or_after_the_split_it_comes_out_the_same(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Each process meets the same shortage; what it decided once stands in the ledger."""
    with monkeypatch.context() as patch:
        Meagre(patch, runs=1, after=12)
        assert run_study(config(place), tmp_path / "whole", lambda _: None, "typed")
    left = [number]

    def fall(event: object) -> None:
        left[0] -= isinstance(event, Settled)
        if left[0] == 0 and isinstance(event, Settled):
            raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        machine = Meagre(patch, runs=1, after=12)
        with pytest.raises(RuntimeError):
            run_study(config(place), tmp_path / "cut", fall, "typed")
        split = fact(tmp_path / "cut", "memory") is not None
        assert split is (number > 12)
        if not split:  # its steps are counted from the checkpoint on
            machine.steps = steps_at_checkpoint(tmp_path / "cut")
        assert run_study(config(place), tmp_path / "cut", lambda _: None, "typed")
    assert_same(tmp_path / "whole", tmp_path / "cut")


def steps_at_checkpoint(folder: Path) -> int:
    """Steps of the bank up to its last checkpoint: those of a run that sits there since the
    start."""
    from weft.training.checkpoint import load_snapshot

    return max(load_snapshot(folder / "runs" / ".bank-lora.safetensors").begun.values())


def test_before_the_first_checkpoint_it_begins_anew(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Meagre(monkeypatch, runs=2, after=0)
    events: list[object] = []
    four = config(place, bank={"slots": 4})
    assert run_study(four, tmp_path, events.append, "typed")
    assert "from the start on, 2 runs at once instead of 4" in working(events)
    assert max(event.running for event in events if isinstance(event, Stepped)) == 2
    assert fact(tmp_path, "memory")["lora"][0]["slots"] == 2
    assert run_study(config(place, sizes=[8, 16, 24, 40, 48]), tmp_path, events.append, "typed")
    assert max(event.running for event in events if isinstance(event, Stepped)) == 2


def test_one_run_that_does_not_fit_is_said(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        Meagre(patch, runs=0, after=5)
        with pytest.raises(TrainingError, match="not enough memory for one run of lora"):
            run_study(config(place), tmp_path, lambda _: None, "typed")
    assert [own["slots"] for own in fact(tmp_path, "memory")["lora"]] == [1]
    assert run_study(config(place), tmp_path, lambda _: None, "typed")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the system says of its kills for memory."""
    said: list[Any] = ["this boot", 0]
    monkeypatch.setattr(starved, "kernel_kills", lambda: list(said))
    return said


def killed(place: Path, folder: Path, kernel: list[Any], number: int, *, memory: bool) -> None:
    """As a study that is killed after so many steps: nothing of it is said or closed."""
    left = [number]

    def kill(event: object) -> None:
        left[0] -= isinstance(event, Stepped)
        if left[0] == 0 and isinstance(event, Stepped):
            kernel[1] += memory
            raise SystemExit(137)

    with pytest.raises(SystemExit):
        run_study(config(place), folder, kill, "typed")


def test_two_kills_for_memory_at_one_point_halve_the_bank(
    place: Path, tmp_path: Path, kernel: list[Any]
) -> None:
    killed(place, tmp_path, kernel, 9, memory=True)
    stand = fact(tmp_path, "checkpoints")
    assert stand
    killed(place, tmp_path, kernel, 1, memory=True)
    assert fact(tmp_path, "checkpoints") == stand
    assert fact(tmp_path, "memory") is None
    # the first of them began at the start, so it was no kill at this point
    killed(place, tmp_path, kernel, 1, memory=True)
    events: list[object] = []
    assert run_study(config(place), tmp_path, events.append, "typed")
    (told,) = fact(tmp_path, "memory")["lora"]
    assert (told["slots"], told["before"]) == (1, 3)
    assert "killed it twice here for memory: from the last checkpoint on" in working(events)
    assert max(event.running for event in events if isinstance(event, Stepped)) == 1
    assert statuses(tmp_path) == ["done"] * 8


def test_two_kills_before_any_checkpoint_halve_it_too(
    place: Path, tmp_path: Path, kernel: list[Any]
) -> None:
    for _ in range(2):
        killed(place, tmp_path, kernel, 1, memory=True)
    events: list[object] = []
    assert run_study(config(place), tmp_path, events.append, "typed")
    assert max(event.running for event in events if isinstance(event, Stepped)) == 1


def test_kills_that_are_not_for_memory_change_nothing(
    place: Path, tmp_path: Path, kernel: list[Any]
) -> None:
    killed(place, tmp_path, kernel, 9, memory=True)
    for memory in (False, True, False):
        killed(place, tmp_path, kernel, 1, memory=memory)
    assert run_study(config(place), tmp_path / "whole", lambda _: None, "typed")
    assert run_study(config(place), tmp_path, lambda _: None, "typed")
    assert fact(tmp_path, "memory") is None


def test_this_system_counts_its_kills() -> None:
    if not Path("/proc/vmstat").exists():
        pytest.skip("no Linux")
    found = starved.kernel_kills()
    assert found is not None
    assert found[1] >= 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_it_is_known_by_what_is_said(error: Exception) -> None:
    assert starved.ran_out(error)


def test_other_errors_are_not_taken_for_it() -> None:
    assert not starved.ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not starved.ran_out(KeyboardInterrupt())
