"""`weft train --from STUDY`, stopped and begun again, leaves the model of one that never was."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from weft.cli.tenths import Tenths
from weft.errors import StudyError
from weft.study.lock import held
from weft.study.refit import WORK, Refitted
from weft.study.runner import run_study
from weft.training.due import Due
from weft.training.events import Settled, Stepped

from .. import tiny
from ..cli.command import reviews, tree, weft, write_csv
from .nursery import refit_described
from .study import Stopper, config, fall, make_place, nursery

STEPS = 40
"""Three passes over all labels, at 13 steps each, and one step."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, encoder, a finished study, and the model that was never stopped."""
    folder = make_place(tmp_path_factory.mktemp("place"))
    assert run_study(config(folder, sizes=[24, 40], seeds=1), folder / "s", lambda _: None, "typed")
    refit_described(folder / "s", STEPS, folder / "whole", lambda _: None)
    return folder


def steps_of(watch: Stopper) -> int:
    return sum(isinstance(event, Stepped) for event in watch.events)


def cut(place: Path, out: Path, kind: type, number: int, what: Callable[[], None] = fall) -> int:
    """A training that is stopped; the steps that it took."""
    watch = Stopper(kind, number, what)
    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        refit_described(place / "s", STEPS, out, watch)
    return steps_of(watch)


def rest(place: Path, out: Path) -> int:
    """The same again to its end, which is the whole one's; the steps that it took."""
    watch = Stopper(Stepped, 0, fall)
    refit_described(place / "s", STEPS, out, watch)
    assert tree(out) == tree(place / "whole")
    return steps_of(watch)


def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """At every end of an epoch the state is due, however long writing it took."""
    monkeypatch.setattr("weft.training.due.SHARE", 1e9)


@pytest.mark.parametrize(
    ("number", "kept"), [pytest.param(13, 0, marks=pytest.mark.slow), (14, 13), (30, 26)]
)
def test_it_goes_on_from_its_last_epoch(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kept: int
) -> None:
    always(monkeypatch)
    assert cut(place, tmp_path / "m", Stepped, number) == number
    assert not (tmp_path / "m" / "weft.json").exists()
    assert rest(place, tmp_path / "m") == STEPS - kept


@pytest.mark.slow
def test_between_two_steps_nothing_is_lost_once_a_minute_has_passed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Due, "now", lambda *_, **__: True)
    cut(place, tmp_path / "m", Stepped, 20)
    assert rest(place, tmp_path / "m") == STEPS - 19


def test_what_is_trained_is_not_trained_again_to_be_described(place: Path, tmp_path: Path) -> None:
    cut(place, tmp_path / "m", Refitted, 1)
    assert rest(place, tmp_path / "m") == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_the_step(place: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "m"
    assert cut(place, out, Stepped, 8, lambda: os.kill(os.getpid(), number)) == 8
    assert rest(place, out) == STEPS - 8


def test_the_command_leaves_with_130_and_says_how_to_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    words = ("train", "--from", "s", "--out", "typed")
    watch = Stopper(Stepped, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
    take = Tenths.__call__

    def taken(self: Tenths, event: object) -> None:
        take(self, event)
        watch(event)

    with monkeypatch.context() as patch:
        patch.setattr(Tenths, "__call__", taken)
        said = weft(*words)
    assert said.code == 130, said.err
    assert f"goes on from where it was:\n  weft {' '.join(words)}" in said.err
    assert steps_of(watch) == 2
    said = weft(*words)
    assert said.code == 0, said.err
    assert "goes on in the middle of 1 run, 0 waiting" in said.err
    assert not (place / "typed" / WORK).exists()
    assert weft("train", "--from", "s", "--out", "anew/typed").code == 0
    assert tree(place / "typed") == tree(place / "anew" / "typed")


# Refused


def refused(place: Path, out: Path, what: str, steps: int = STEPS) -> StudyError:
    before = tree(out)
    with pytest.raises(StudyError, match=what) as caught:
        refit_described(place / "s", steps, out, lambda _: None)
    assert tree(out) == before
    return caught.value


def test_a_study_that_found_something_else_is_refused(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    cut(place, out, Settled, 20)
    error = refused(place, out, "follows from something else", steps=50)
    assert error.found == "steps: 40 there, 50 now; horizon: 40 there, 50 now"
    assert "--out" in error.remedy
    assert str(out / WORK) in error.remedy


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: write_csv(folder / "reviews.csv", reviews(seed=1)), "the data are not"),
        pytest.param(
            lambda folder: tiny.save(folder / "tiny", "bert", seed=1),
            "the backbone's weights",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_other_data_and_another_encoder_are_refused(
    tmp_path: Path, change: Callable[[Path], object], what: str
) -> None:
    place = make_place(tmp_path / "place")
    assert run_study(config(place, sizes=[24], seeds=1), place / "s", lambda _: None, "typed")
    cut(place, tmp_path / "m", Settled, 20)
    change(place)
    assert "put the old ones back" in refused(place, tmp_path / "m", what).remedy


def test_a_second_process_is_told_who_is_at_it(place: Path, tmp_path: Path) -> None:
    with (
        held(tmp_path / "m" / WORK, "weft train first"),
        pytest.raises(StudyError, match="Another process") as caught,
    ):
        refit_described(place / "s", STEPS, tmp_path / "m", lambda _: None)
    assert f"process {os.getpid()}" in str(caught.value)
    assert "weft train first" in str(caught.value)


# Killed


@pytest.mark.slow
def test_killed_at_random_moments(place: Path, tmp_path: Path) -> None:
    """Trainings that are killed seven times each: anywhere, and where the model is written."""
    kills = 0
    with nursery() as forks:
        whole = forks.refit(place / "s", STEPS, tmp_path / "whole")
        assert whole["code"] == 0
        assert tree(tmp_path / "whole") == tree(place / "whole")
        for seed, least in enumerate((0, whole["events"] - 4)):
            random = np.random.default_rng(seed)
            out = tmp_path / str(seed)
            fell = 0
            for _ in range(60):  # on a fast machine many end before they are killed
                events = int(random.integers(least, whole["events"] + 1))
                wait = float(random.uniform(0, 0.02))
                fell += forks.refit(place / "s", STEPS, out, events, wait)["code"] == -9
                if fell == 7:
                    break
            kills += fell
            assert forks.refit(place / "s", STEPS, out)["code"] == 0
            assert tree(out) == tree(place / "whole")
    print(json.dumps({"kills": kills, "events": whole["events"]}))
    assert kills >= 12
