"""The same command again goes on: nothing is trained twice, and nothing else slips in."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from tests import tiny
from tests.cli.command import SMALL, Said, outcomes, process, reviews, tree, weft, write_csv

from weft.study.choice import LEDGER
from weft.study.ledger import Ledger

COMMAND = ("study", "reviews.csv", *SMALL)

pytestmark = pytest.mark.usefixtures("no_figures")


def changed(**options: str) -> tuple[str, ...]:
    """The small study's command with other values, e.g. epochs="3"."""
    words = list(COMMAND)
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if option in words:
            words[words.index(option) + 1] = value
        else:
            words += [option, value]
    return tuple(words)


def set_back(study: Path, run_id: str, status: str, error: str | None = None) -> None:
    """Makes the ledger as it was before the run ended."""
    with sqlite3.connect(study / LEDGER) as db:
        for table in ("outcomes", "scores"):
            db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
        db.execute(
            "UPDATE runs SET status = ?, error = ? WHERE run_id = ?", (status, error, run_id)
        )
    db.close()


def run_of(study: Path, method: str, size: int, seed: int) -> str:
    (found,) = (study / "runs").glob(f"{method}-{size}-{seed}-*")
    return found.name


# Going on


def test_a_finished_study_trains_nothing(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a method was asked for")

    monkeypatch.setattr("weft.methods.make", refuse)
    before, models = outcomes(study), tree(study / "runs")
    said = weft(*COMMAND)
    assert said.code == 0, said.err
    assert outcomes(study) == before
    assert tree(study / "runs") == models
    assert "12 runs, 12 finished before" in said.err


@pytest.mark.parametrize(
    ("options", "new"),
    [
        ({"sizes": "16,32,40"}, {(m, 40, s) for m in ("lora", "probe", "tfidf") for s in (0, 1)}),
        ({"seeds": "3"}, {(m, n, 2) for m in ("lora", "probe", "tfidf") for n in (16, 32)}),
        ({"seeds_at": "32:3"}, {(m, 32, 2) for m in ("lora", "probe", "tfidf")}),
    ],
)
def test_more_sizes_or_seeds_train_only_what_is_new(
    study: Path, begun: list[str], options: dict[str, str], new: set[tuple[str, int, int]]
) -> None:
    before = outcomes(study)
    said = weft(*changed(**options))
    assert said.code == 0, said.err
    after = outcomes(study)
    assert {run: after[run] for run in before} == before
    with Ledger(study / LEDGER, readonly=True) as ledger:
        made = {(k.method, k.size, k.seed) for k in ledger.keys() if k.run_id in begun}  # noqa: SIM118
    assert made == new
    assert len(begun) == len(new)


@pytest.mark.usefixtures("fresh")
def test_a_method_more_trains_only_that(begun: list[str]) -> None:
    assert weft(*changed(methods="tfidf")).code == 0
    assert weft(*changed(methods="tfidf,probe")).code == 0
    assert [run.split("-")[0] for run in begun] == ["tfidf"] * 4 + ["probe"] * 4


def test_fewer_sizes_train_nothing_and_keep_the_rest(study: Path, begun: list[str]) -> None:
    before = outcomes(study)
    said = weft(*changed(sizes="16", seeds="1"))
    assert said.code == 0, said.err
    assert begun == []
    assert outcomes(study) == before


@pytest.mark.parametrize("status", ["running", "planned", "failed"])
def test_an_unfinished_run_is_trained_again_to_the_same_end(
    study: Path, begun: list[str], status: str
) -> None:
    run_id = run_of(study, "lora", 32, 0)
    before = tree(study / "runs")
    set_back(study, run_id, status)
    (study / "runs" / run_id / "checkpoints" / "epoch-9.safetensors").write_bytes(b"of a dead try")
    said = weft(*COMMAND)
    assert said.code == 0, said.err
    assert begun == [run_id]
    with Ledger(study / LEDGER, readonly=True) as ledger:
        assert set(ledger.statuses().values()) == {"done"}
        assert [row.epoch for row in ledger.epochs(run_id)] == [1, 2]
    after = tree(study / "runs")
    timed = {f"{run_id}/training_log.csv", f"{run_id}/run.json", ".study.json"}
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name]} <= timed


def test_slots_and_the_name_may_change(study: Path, begun: list[str]) -> None:
    said = weft(*changed(slots="1", out=str(study)))
    assert said.code == 0, said.err
    assert begun == []


def test_a_target_changes_no_run_and_is_that_of_the_last_command(
    study: Path, begun: list[str]
) -> None:
    said = weft("study", "reviews.csv", *SMALL, "--target", "0.97")
    assert said.code == 0, said.err
    assert begun == []
    assert "97.0 %" in said.out
    assert "97.0 %" in weft("report", study).out
    assert "97.0 %" not in weft("study", "reviews.csv", *SMALL).out
    assert "97.0 %" not in weft("report", study).out


def test_the_frozen_configuration_goes_on_too(study: Path, begun: list[str]) -> None:
    said = weft("study", study / "study.toml", "--out", study)
    assert said.code == 0, said.err
    assert begun == []


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.usefixtures("fresh")
def test_precision_is_chosen_once_a_study(
    monkeypatch: pytest.MonkeyPatch, begun: list[str], first: bool
) -> None:
    """A machine's timing varies from day to day, and a study does not change its numbers by it."""

    def timing(fast: bool) -> None:
        monkeypatch.setattr("weft.machine.product_seconds", lambda: (1.0, 0.1 if fast else 10.0))

    words = changed(methods="probe", precision="auto")
    timing(first)
    assert weft(*words).code == 0
    timing(not first)
    said = weft(*words)
    assert said.code == 0, said.err
    assert len(begun) == 4


# Refused


def refused(*words: str, parts: tuple[str, ...]) -> None:
    study = Path("weft-studies/reviews-tiny")
    before = tree(study)
    said = weft(*words)
    assert said.code == 1, said.out
    for part in ("error: ", "remedy: ", "--out", *parts):
        assert part in said.err, said.err
    assert said.out == ""
    assert tree(study) == before


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"epochs": "3"}, ("recipe.epochs: 2 there, 3 asked for",)),
        ({"learning_rate": "1e-3"}, ("recipe.learning_rate: 0.002 there, 0.001 asked for",)),
        ({"r": "4", "lora_alpha": "8"}, ("lora.r: 8", "lora.lora_alpha: 16")),
        ({"balance": "strict"}, ("data.balance: auto there, strict asked for",)),
        ({"pooling": "mean"}, ("backbone.pooling: auto there, mean asked for",)),
        ({"precision": "float64"}, ("backbone.precision: float32 there, float64 asked for",)),
        ({"max_length": "16"}, ("backbone.max_length: None there, 16 asked for",)),
    ],
)
def test_another_recipe_is_refused(
    study: Path, options: dict[str, str], parts: tuple[str, ...]
) -> None:
    refused(*changed(**options), parts=(str(study), *parts))


@pytest.mark.usefixtures("study")
def test_the_same_recipe_said_aloud_is_not_another(begun: list[str]) -> None:
    assert weft(*changed(learning_rate="2e-3", lora_dropout="0.1", slots="4")).code == 0
    assert begun == []


def test_changed_data_are_refused_and_nothing_is_written(study: Path) -> None:
    write_csv(Path("reviews.csv"), reviews(seed=1))
    parts = ("the data are not those", "reviews.csv", str(study))
    refused(*changed(sizes="16,32,40"), parts=parts)


def test_changed_weights_are_refused_and_nothing_is_written(study: Path) -> None:
    tiny.save(Path("tiny"), "bert", seed=1)
    parts = ("the backbone's weights are not those", str(study))
    refused(*changed(sizes="16,32,40"), parts=parts)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("config.json", '"gelu"', '"relu"'),
        ("tokenizer.json", '"lowercase": true', '"lowercase": false'),
    ],
)
def test_another_way_to_read_texts_is_refused(study: Path, name: str, old: str, new: str) -> None:
    path = Path("tiny", name)
    before = path.read_bytes()
    assert old.encode() in before
    path.write_bytes(before.replace(old.encode(), new.encode()))
    what = "the backbone's configuration, tokenizer or pooling are not those"
    parts = (what, f"found:  sha256 of {name} ", str(study))
    try:
        refused(*changed(sizes="16,32,40"), parts=parts)
    finally:
        path.write_bytes(before)


def test_what_lies_beside_an_encoder_is_no_part_of_it(study: Path) -> None:
    del study
    for name in ("tokenizer.json.bak", "vocab_stats.txt", "config.json~"):
        Path("tiny", name).write_bytes(b"anything")
    said = weft(*changed(sizes="16,32,40"))
    assert said.code == 0, said.err


# Stopped where a method has no steps

_KILL = "os.kill(os.getpid(), number)"


def told(number: signal.Signals, method: str, calls: int, place: Path, how: str = _KILL) -> Said:
    """What a study of TF-IDF says that is told to end behind so many calls of a ledger's method."""
    program = f"""
import os, sys
from weft.study.ledger import Ledger
real, number, left = Ledger.{method}, {int(number)}, [{calls}]
class Deaf:
    def __del__(self):  # what is raised here is dropped
        {_KILL}
def told(*given):
    real(*given)
    left[0] -= 1
    if left[0] == 0:
        {how}
Ledger.{method} = told
from weft.cli import main
main()
"""
    return process(sys.executable, "-c", program, *changed(methods="tfidf"), cwd=place)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "how",
    [_KILL, "Deaf()", f"try: {_KILL}\n        except: raise ImportError"],
    ids=["anywhere", "in a destructor", "in an import"],
)
def test_told_to_end_it_says_how_to_go_on(fresh: Path, number: signal.Signals, how: str) -> None:
    said = told(number, "start", 3, fresh, how)
    assert said.code == 130
    assert "interrupted; the same command goes on from where it was:" in said.err
    assert "Traceback" not in said.err or "Exception ignored" in said.err
    first = outcomes(Path("weft-studies/reviews-tiny"))
    done = {run_id for run_id, outcome in first.items() if outcome is not None}
    assert len(done) == 2
    said = weft(*changed(methods="tfidf"))
    assert said.code == 0, said.err
    assert "4 runs, 2 finished before" in said.err


def test_told_to_end_before_a_method_begins_it_says_so_too(fresh: Path) -> None:
    said = told(signal.SIGTERM, "plan", 1, fresh)
    assert said.code == 130
    assert "interrupted; the same command goes on from where it was:" in said.err
    assert "Traceback" not in said.err


# Failing


@pytest.mark.parametrize("epochs", ["1", "2"])
@pytest.mark.usefixtures("fresh")
def test_a_failed_run_is_told_and_does_not_stop_the_others(epochs: str) -> None:
    said = weft(*changed(learning_rate="1e30", epochs=epochs, sizes="8"))
    study = Path("weft-studies/reviews-tiny")
    assert said.code == 1
    assert "failed lora" in said.err
    assert "Answer." in said.out
    with Ledger(study / LEDGER, readonly=True) as ledger:
        status = ledger.statuses()
    assert {run: end for run, end in status.items() if end != "done"} == {
        run: "failed" for run in status if run.startswith("lora")
    }
    page = (study / "results.md").read_text(encoding="utf-8")
    assert "## Failed runs" in page
    assert page.count("a lower learning rate usually helps") == 2


@pytest.mark.usefixtures("fresh")
def test_a_failed_study_in_json() -> None:
    said = weft(*changed(learning_rate="1e30", methods="lora,tfidf"), "--json")
    assert said.code == 1
    status = {run["method"]: run["status"] for run in json.loads(said.out)["runs"]}
    assert status == {"lora": "failed", "tfidf": "done"}


@pytest.mark.usefixtures("fresh")
def test_a_study_of_which_every_run_failed_says_so() -> None:
    said = weft(*changed(learning_rate="1e30", methods="lora"))
    assert said.code == 1
    assert "No run is done yet" in said.out
    assert "weft-studies/reviews-tiny/results.md" in said.out
    assert "Traceback" not in said.err
