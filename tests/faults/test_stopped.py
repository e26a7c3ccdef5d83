"""A study that is stopped and begun again comes out as one that never was."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft import methods
from weft.config import StudyConfig
from weft.errors import ConfigError, StudyError
from weft.methods import banked
from weft.study import recording
from weft.study.choice import LEDGER
from weft.study.ledger import Ledger
from weft.study.lock import held
from weft.study.notices import Begun, RunDone, Working
from weft.study.run_record import write_study
from weft.study.runner import run_study
from weft.training.due import Due
from weft.training.events import EpochEnd, RunFailed, Settled, Stepped

from .compare import assert_same
from .nursery import breaking
from .study import Nursery, Stopper, config, fall, make_place, nursery

Watch = Callable[[object], None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """The study that was never stopped."""
    assert run(config(place), place / "whole")
    return place / "whole"


def run(chosen: StudyConfig, folder: Path, watch: Watch = lambda _: None) -> bool:
    return run_study(chosen, folder, watch, "typed")


def stopped(chosen: StudyConfig, folder: Path, kind: type = Stepped, number: int = 9) -> None:
    with pytest.raises(RuntimeError, match="the power went"):
        run(chosen, folder, Stopper(kind, number, fall))


def facts(folder: Path) -> dict[str, object]:
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        return ledger.facts()


def statuses(folder: Path) -> dict[str, str]:
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        return dict(ledger.statuses())


def working(watch: Stopper) -> str:
    return "\n".join(event.what for event in watch.events if isinstance(event, Working))


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (EpochEnd, 1),
        (RunDone, 2),
        (Settled, 7),
        *(
            pytest.param(kind, number, marks=pytest.mark.slow)
            for kind, number in ((Stepped, 1), (EpochEnd, 11), (RunDone, 5), (RunDone, 8))
        ),
    ],
)
def test_wherever_it_falls(
    place: Path, whole: Path, tmp_path: Path, kind: type, number: int
) -> None:
    stopped(config(place), tmp_path / "cut", kind, number)
    assert run(config(place), tmp_path / "cut")
    assert_same(whole, tmp_path / "cut")


def on_a_grid(place: Path) -> StudyConfig:
    """Twelve runs of two methods; LoRA's fill a bank for each rank, of two learning rates."""
    grid = {"lora.r": [2, 4], "recipe.learning_rate": [5e-3, 1e-2]}
    over = {"sizes": [8, 24], "seeds": 1, "methods": ["lora", "full"], "grid": grid}
    return config(place, **over)


@pytest.mark.parametrize("number", [2, 4, 6, 8])
def test_a_grid_goes_on_in_the_bank_where_it_fell(place: Path, tmp_path: Path, number: int) -> None:
    assert run(on_a_grid(place), tmp_path / "whole")
    stopped(on_a_grid(place), tmp_path / "cut", RunDone, number)
    watch = Stopper(Stepped, 0, fall)
    assert run(on_a_grid(place), tmp_path / "cut", watch)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_a_checkpoint_of_settings_that_are_not_asked_for_is_let_go(
    place: Path, tmp_path: Path
) -> None:
    stopped(on_a_grid(place), tmp_path, EpochEnd, 3)
    narrow = on_a_grid(place).model_copy(update={"grid": {"lora.r": (2,)}})
    watch = Stopper(Stepped, 0, fall)
    assert run(narrow, tmp_path, watch)
    assert "goes on in the middle" not in working(watch)
    assert run(on_a_grid(place), tmp_path)
    assert set(statuses(tmp_path).values()) == {"done"}


def test_it_goes_on_and_does_not_begin_anew(place: Path, tmp_path: Path) -> None:
    first = Stopper(Settled, 12, fall)
    with pytest.raises(RuntimeError):
        run(config(place), tmp_path, first)
    done = [event.key.run_id for event in first.events if isinstance(event, RunDone)]
    assert done
    second = Stopper(Settled, 0, fall)
    run(config(place), tmp_path, second)
    steps = [sum(isinstance(event, Stepped) for event in watch.events) for watch in (first, second)]
    every = Stopper(Settled, 0, fall)
    run(config(place), tmp_path / "other", every)
    assert sum(steps) - sum(isinstance(event, Stepped) for event in every.events) <= 3
    again = [event.key.run_id for event in second.events if isinstance(event, RunDone)]
    assert not set(done) & set(again)
    assert "goes on in the middle of 2 runs, 4 waiting" in working(second)


def test_a_slot_marks_its_run_and_waiting_ones_stay_planned(place: Path, tmp_path: Path) -> None:
    stopped(config(place), tmp_path, Stepped, 1)
    assert sorted(statuses(tmp_path).values()) == ["planned"] * 5 + ["running"] * 3


def test_another_number_of_slots_waits_for_the_next_bank(
    place: Path, whole: Path, tmp_path: Path
) -> None:
    stopped(config(place), tmp_path)
    assert run(config(place, bank={"slots": 1}), tmp_path)
    (tmp_path / "study.toml").write_bytes((whole / "study.toml").read_bytes())
    found, theirs = facts(tmp_path), facts(whole)
    assert found["config"]["bank"]["slots"] == 1  # type: ignore[index]
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_facts({"config": theirs["config"]})
        write_study(tmp_path, ledger)
    assert_same(whole, tmp_path)


@pytest.mark.slow
def test_checkpoints_at_every_step_change_nothing(
    place: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Due, "now", lambda *_, **__: True)
    stopped(config(place), tmp_path, Stepped, 14)
    watch = Stopper(Settled, 0, fall)
    run(config(place), tmp_path, watch)
    assert_same(whole, tmp_path)


@pytest.mark.parametrize("number", [7, 16])
def test_an_epoch_that_is_not_judged_is_gone_on_from_too(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Two runs of one and of three steps an epoch, judged after the fourth and the eighth."""
    recipe = {"epochs": 8, "evaluations": 2, "batch_size": 8, "learning_rate": 5e-3}
    chosen = config(place, sizes=[8, 24], seeds=1, recipe=recipe)
    every = Stopper(Settled, 0, fall)
    assert run(chosen, tmp_path / "whole", every)  # where writing has its share of the time alone
    monkeypatch.setattr("weft.training.due.SHARE", 1e9)
    first, second = Stopper(Stepped, number, fall), Stopper(Settled, 0, fall)
    with pytest.raises(RuntimeError, match="the power went"):
        run(chosen, tmp_path / "cut", first)
    assert run(chosen, tmp_path / "cut", second)
    assert_same(tmp_path / "whole", tmp_path / "cut")
    steps = [sum(isinstance(e, Stepped) for e in one.events) for one in (every, first, second)]
    assert steps[1] == number
    assert steps[1] + steps[2] - steps[0] == 1  # the step under way alone is taken again
    judged = sum(isinstance(event, EpochEnd) for event in first.events)
    assert judged < number - 1


# Signals


def signals(*numbers: signal.Signals) -> Callable[[], None]:
    def send() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return send


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_the_step_and_leaves_a_checkpoint(
    place: Path, whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    watch = Stopper(Stepped, 8, signals(number))
    with pytest.raises(KeyboardInterrupt):
        run(config(place), tmp_path, watch)
    assert signal.getsignal(number) is before
    assert isinstance(watch.events[-1], Settled)
    assert sum(isinstance(event, Stepped) for event in watch.events) == 8
    assert "stopping after this step" in working(watch)
    after = Stopper(Settled, 0, fall)
    assert run(config(place), tmp_path, after)
    assert_same(whole, tmp_path)
    every = Stopper(Settled, 0, fall)
    run(config(place), tmp_path / "every", every)
    steps = [sum(isinstance(e, Stepped) for e in one.events) for one in (after, every)]
    assert steps[0] == steps[1] - 8  # not one step is taken twice


def test_two_signals_leave_at_once(place: Path, whole: Path, tmp_path: Path) -> None:
    watch = Stopper(Stepped, 8, signals(signal.SIGINT, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(config(place), tmp_path, watch)
    assert isinstance(watch.events[-1], Stepped)
    assert run(config(place), tmp_path)
    assert_same(whole, tmp_path)


def test_a_signal_after_the_last_event_stops_before_the_next_method(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = methods.make

    class Told:
        def __init__(self, *given: Any) -> None:
            self._method = make(*given)

        def run(self, *given: Any) -> Generator[Any]:
            yield from self._method.run(*given)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(methods, "make", Told)
    chosen = config(place, methods=["lora", "bitfit"])
    with pytest.raises(KeyboardInterrupt):
        run(chosen, tmp_path)
    ended = {run_id.split("-")[0]: status for run_id, status in statuses(tmp_path).items()}
    assert ended == {"lora": "done", "bitfit": "planned"}
    monkeypatch.undo()
    assert run(chosen, tmp_path)


# What lies on the disk


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


def test_a_torn_checkpoint_is_told_and_the_one_before_it_used(
    place: Path, whole: Path, tmp_path: Path
) -> None:
    stopped(config(place), tmp_path, RunDone, 3)
    done = sum(status == "done" for status in statuses(tmp_path).values())
    spoil(tmp_path / "runs" / ".bank-lora.safetensors")
    watch = Stopper(Settled, 0, fall)
    assert run(config(place), tmp_path, watch)
    assert "torn or altered" in working(watch)
    again = sum(isinstance(event, RunDone) for event in watch.events)
    assert again > 8 - done  # what came after it is made again
    assert_same(whole, tmp_path)


def test_without_any_checkpoint_the_rest_is_made_anew(place: Path, tmp_path: Path) -> None:
    stopped(config(place), tmp_path, RunDone, 3)
    for path in (tmp_path / "runs").glob(".bank-*"):
        spoil(path)
    watch = Stopper(Settled, 0, fall)
    assert run(config(place), tmp_path, watch)
    assert "none is left" in working(watch)
    assert set(statuses(tmp_path).values()) == {"done"}
    assert not list((tmp_path / "runs").glob(".bank-*"))


def test_a_second_process_is_refused_and_changes_nothing(place: Path, tmp_path: Path) -> None:
    stopped(config(place), tmp_path)
    before = (tmp_path / "ledger.sqlite").read_bytes()
    with (
        held(tmp_path, "weft study first"),
        pytest.raises(StudyError, match=r"Another process") as caught,
    ):
        run(config(place), tmp_path)
    assert f"process {os.getpid()}" in str(caught.value)
    assert "weft study first" in str(caught.value)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


# The folder's own record


def test_the_first_command_stays_and_each_session_is_listed(place: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run_study(config(place), tmp_path, Stopper(Stepped, 5, fall), "first")
    run_study(config(place), tmp_path, lambda _: None, "second")
    run_study(config(place), tmp_path, lambda _: None, "third trains nothing")
    found = facts(tmp_path)
    assert found["command"] == "first"
    sessions = found["sessions"]
    assert isinstance(sessions, list)
    assert [own["command"] for own in sessions] == ["first", "second"]
    assert [own["ended"] is None for own in sessions] == [True, False]
    assert {own["pid"] for own in sessions} == {os.getpid()}


def test_the_frozen_grid_is_the_union_of_all_commands(place: Path, tmp_path: Path) -> None:
    run(config(place, methods=["tfidf"], sizes=[8, 16]), tmp_path)
    run(config(place, methods=["probe"], sizes=[16, 24], seeds=1), tmp_path)
    found = tomllib.loads((tmp_path / "study.toml").read_text())
    assert found["sizes"] == [8, 16, 24]
    assert found["methods"] == ["tfidf", "probe"]
    assert (found["seeds"], found["seeds_at"]) == (2, {"24": 1})
    known = facts(tmp_path)
    assert known["config"]["sizes"] == [8, 16, 24]  # type: ignore[index]
    assert set(known["data"]["label_counts"]["train"]) == {"8", "16", "24"}  # type: ignore[index]


def test_a_refused_setting_leaves_nothing_behind(place: Path, tmp_path: Path) -> None:
    odd = config(place, lora={"target_modules": ["no_such_layer"]})
    with pytest.raises(ConfigError, match="no_such_layer"):
        run(odd, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_study_of_which_no_run_began_may_be_set_otherwise(place: Path, tmp_path: Path) -> None:
    def leave(event: object) -> None:
        if isinstance(event, Working) and event.what.startswith("lora"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config(place, recipe={"epochs": 9}), tmp_path, leave)
    assert set(statuses(tmp_path).values()) == {"planned"}
    assert run(config(place, sizes=[8]), tmp_path)
    assert len(statuses(tmp_path)) == 2


def test_a_failed_run_is_not_tried_again_under_the_same_command(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(banked, "job", breaking("lora-40-1"))
    chosen = config(place, methods=["lora", "bitfit"], sizes=[16, 40])
    assert not run(chosen, tmp_path / "whole")
    for kind, number in ((RunFailed, 1), (RunDone, 4)):
        folder = tmp_path / f"{kind.__name__}"
        stopped(chosen, folder, kind, number)
        watch = Stopper(Settled, 0, fall)
        assert not run(chosen, folder, watch)
        assert_same(tmp_path / "whole", folder)
    (failed,) = (run for run, status in statuses(folder).items() if status == "failed")
    monkeypatch.undo()
    assert run(chosen, folder)  # by a command begun after that one had ended it is
    assert statuses(folder)[failed] == "done"


@pytest.mark.parametrize("lost", [False, True])
def test_a_failed_run_is_tried_again_by_a_command_that_is_stopped_too(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    chosen = config(place, sizes=[8, 24])
    monkeypatch.setattr(banked, "job", breaking("lora-24-1"))
    assert not run(chosen, tmp_path)
    assert sorted(statuses(tmp_path).values()) == ["done", "done", "done", "failed"]
    monkeypatch.undo()
    stopped(chosen, tmp_path, Begun, 1)  # before the run itself begins
    if lost:  # what it is rebuilt from knows that the run is wanted
        (tmp_path / LEDGER).unlink()
    assert run(chosen, tmp_path)
    assert set(statuses(tmp_path).values()) == {"done"}


@pytest.mark.slow
def test_a_probe_does_not_depend_on_where_it_was_stopped(place: Path, tmp_path: Path) -> None:
    chosen = config(place, methods=["probe", "tfidf"])
    assert run(chosen, tmp_path / "whole")
    for number in (1, 6, 11, 15):
        stopped(chosen, tmp_path / str(number), RunDone, number)
        assert run(chosen, tmp_path / str(number))
        assert_same(tmp_path / "whole", tmp_path / str(number))


# Killed


@pytest.mark.slow
def test_killed_a_few_times(place: Path, whole: Path, tmp_path: Path) -> None:
    with nursery() as forks:
        tries = forks.killed_until_it_is_done(
            config(place), tmp_path, 6, np.random.default_rng(1), 24
        )
    assert [own["code"] for own in tries].count(-9) >= 4, tries
    assert tries[-1]["code"] == 0
    assert_same(whole, tmp_path)


@pytest.mark.slow
def test_killed_at_each_of_fifty_moments(place: Path, tmp_path: Path) -> None:
    """Fifty studies of six runs in a bank of three: each is killed once and resumed to its end."""
    recipe = {"epochs": 3, "batch_size": 8, "patience": 1, "learning_rate": 5e-3}
    chosen, random = config(place, sizes=[8, 16, 24], recipe=recipe), np.random.default_rng(5)
    kills = 0
    with nursery() as forks:
        whole = forks.run(chosen, tmp_path / "whole")
        for number in range(80):  # on a fast machine some end before they are killed
            events, wait = int(random.integers(0, whole["events"])), float(random.uniform(0, 0.02))
            kills += forks.run(chosen, tmp_path / str(number), events, wait)["code"] == -9
            assert forks.run(chosen, tmp_path / str(number))["code"] == 0
            assert_same(tmp_path / "whole", tmp_path / str(number))
            if kills == 50:
                break
    print(json.dumps({"kills": kills, "studies": number + 1, "events": whole["events"]}))
    assert kills == 50


@pytest.fixture(scope="module")
def forks() -> Generator[Nursery]:
    with nursery(breaks="lora-24-1") as found:
        yield found


@pytest.mark.slow
def test_killed_fifty_times(
    place: Path, tmp_path: Path, forks: Nursery, record_property: Callable[[str, object], None]
) -> None:
    """All methods, one run that ends in NaN, a kill every few events and at any microsecond."""
    chosen = config(place, methods=["tfidf", "probe", "lora", "bitfit", "full"])
    first = forks.run(chosen, tmp_path / "whole")
    assert first["code"] == 1
    tries = forks.killed_until_it_is_done(
        chosen, tmp_path / "cut", 50, np.random.default_rng(50), 24
    )
    codes = [own["code"] for own in tries]
    print(json.dumps({"kills": codes.count(-9), "events": first["events"]}))
    record_property("kills", codes.count(-9))
    assert codes[-1] == 1
    assert set(codes[:-1]) <= {-9, 1}
    assert codes.count(-9) >= 40
    assert_same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_while_files_are_written(
    place: Path, whole: Path, tmp_path: Path, forks: Nursery, seed: int
) -> None:
    """Kills right behind an event, when rows, models and checkpoints are on their way to disk."""
    del forks
    random = np.random.default_rng(seed)
    with nursery() as own:
        for number in range(10):
            own.run(config(place), tmp_path, int(random.integers(1, 16)), number * 2e-4)
        assert own.run(config(place), tmp_path)["code"] == 0
    assert_same(whole, tmp_path)


def test_what_a_killed_process_leaves_is_swept_up(place: Path, whole: Path, tmp_path: Path) -> None:
    stopped(config(place), tmp_path, RunDone, 3)
    (running, *_) = (run for run, status in statuses(tmp_path).items() if status == "running")
    folder = tmp_path / "runs" / running
    (folder / recording.MODEL).mkdir(parents=True)
    (folder / recording.MODEL / "half").write_bytes(b"half")
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "epoch-9.part").write_bytes(b"half")
    (tmp_path / "runs" / ".bank-lora.part").write_bytes(b"half")
    assert run(config(place), tmp_path)
    assert_same(whole, tmp_path)


def test_a_run_and_its_checkpoint_are_written_together(place: Path, tmp_path: Path) -> None:
    """A run is told as done when the ledger has it, with the checkpoint that goes with it."""

    def look(event: object) -> None:
        if isinstance(event, RunDone):
            found = facts(tmp_path).get("checkpoints", {})
            over = set(statuses(tmp_path).values()) == {"done"}
            assert bool(found) is not over
            assert statuses(tmp_path)[event.key.run_id] == "done"

    assert run(config(place, sizes=[8, 16]), tmp_path, look)
