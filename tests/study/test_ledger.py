"""The ledger keeps what it was told, drops unfinished tries, and refuses what it cannot trust."""

from __future__ import annotations

import math
import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from weft.errors import StudyError
from weft.evidence.scores import Scores
from weft.study.ledger import Ledger
from weft.study.ledger_file import SCHEMA_VERSION
from weft.study.record import EpochRow, Outcome, RunKey

KEYS = [RunKey("b1", "lora", 50, 0), RunKey("a2", "probe", 50, 0), RunKey("c3", "lora", 100, 1)]
EPOCH = EpochRow(1, 4, 0.7, 0.5, 0.6, 0.625, 5e-4, 1.25)
SCORES = Scores(8, 1 / 3, 0.75, 0.8, 2 / 3, 1.0, ((2, 2), (0, 4)))
OUTCOME = Outcome(
    validation=SCORES,
    test=replace(SCORES, examples=600, loss=0.1 + 0.2),
    trainable=147_456,
    total=22_861_826,
    epochs=5,
    best_epoch=3,
    seconds=12.5,
    examples_per_second=20.0,
    peak_memory_bytes=123_456_789,
    model_bytes=1_234_567,
    folder="runs/b1",
    extra={"peft": {"trainable": 296_450}, "words": ["ä", None]},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study" / "ledger.sqlite"


def test_what_goes_in_comes_out_after_reopening(path: Path) -> None:
    facts = {"name": "d\u00e9mo", "config": {"sizes": [50, 100]}, "random_weights": False}
    with Ledger(path) as ledger:
        ledger.set_facts(facts)
        ledger.plan(KEYS)
        ledger.start("b1")
        ledger.epoch("b1", EPOCH)
        ledger.epoch("b1", replace(EPOCH, epoch=2))
        ledger.finish("b1", OUTCOME)
        ledger.start("a2")
        ledger.fail("a2", "out of memory\nand more")
    with Ledger(path, readonly=True) as ledger:
        assert ledger.facts() == facts
        assert ledger.keys() == KEYS
        assert ledger.statuses() == {"b1": "done", "a2": "failed", "c3": "planned"}
        assert ledger.epochs("b1") == [EPOCH, replace(EPOCH, epoch=2)]
        assert ledger.epochs("c3") == []
        assert ledger.outcome("b1") == OUTCOME
        assert ledger.outcome("c3") is None


def test_facts_are_replaced_key_by_key(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.set_facts({"a": 1, "b": [1]})
        ledger.set_facts({"b": {"x": None}})
        assert ledger.facts() == {"a": 1, "b": {"x": None}}


def test_facts_that_are_no_json_change_nothing(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.set_facts({"a": 1})
        with pytest.raises(TypeError):
            ledger.set_facts({"a": 2, "b": object()})
        assert ledger.facts() == {"a": 1}


def test_planning_again_keeps_what_happened(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS[:2])
        ledger.start("b1")
        ledger.plan(reversed(KEYS))
        assert ledger.keys() == [*KEYS[:2], KEYS[2]]
        assert ledger.statuses()["b1"] == "running"


def test_a_new_try_drops_the_epochs_and_the_error_of_the_last(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.start("b1")
        ledger.epoch("b1", EPOCH)
        ledger.fail("b1", "killed")
        assert ledger.epochs("b1") == [EPOCH]
        ledger.start("b1")
        assert ledger.epochs("b1") == []
        assert ledger.runs().set_index("run_id").error.isna()["b1"]


def test_a_done_run_is_never_begun_again(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.start("b1")
        ledger.epoch("b1", EPOCH)
        ledger.finish("b1", OUTCOME)
        with pytest.raises(AssertionError, match="b1"):
            ledger.start("b1")
        with pytest.raises(AssertionError, match="b1"):
            ledger.fail("b1", "no")
        assert ledger.statuses()["b1"] == "done"
        assert ledger.epochs("b1") == [EPOCH]


def test_a_run_that_was_not_planned_is_our_fault(path: Path) -> None:
    with Ledger(path) as ledger:
        with pytest.raises(AssertionError, match="x9"):
            ledger.start("x9")
        with pytest.raises(sqlite3.IntegrityError):
            ledger.epoch("x9", EPOCH)


def test_a_result_is_written_whole_or_not_at_all(path: Path) -> None:
    broken = replace(OUTCOME, test=replace(SCORES, examples=None))  # type: ignore[arg-type]
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.start("b1")
        with pytest.raises(sqlite3.IntegrityError):
            ledger.finish("b1", broken)
        assert ledger.statuses()["b1"] == "running"
        assert ledger.outcome("b1") is None
        ledger.finish("b1", OUTCOME)
        assert ledger.outcome("b1") == OUTCOME


def test_every_write_is_on_the_disk_at_once(path: Path) -> None:
    with Ledger(path) as ledger, Ledger(path, readonly=True) as reader:
        ledger.plan(KEYS)
        ledger.start("b1")
        assert reader.statuses()["b1"] == "running"
        ledger.epoch("b1", EPOCH)
        assert reader.epochs("b1") == [EPOCH]
        assert ledger._db.execute("PRAGMA synchronous").fetchone()[0] == 3  # EXTRA
        assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    assert [file.name for file in path.parent.iterdir()] == ["ledger.sqlite"]


def test_a_snapshot_is_of_one_moment(path: Path) -> None:
    with Ledger(path) as ledger, Ledger(path, readonly=True) as reader:
        ledger.plan(KEYS)
        ledger._db.execute("PRAGMA busy_timeout = 0")
        with reader.snapshot():
            assert reader.statuses()["b1"] == "planned"
            with pytest.raises(StudyError, match="another process"):
                ledger.start("b1")
            assert reader.statuses()["b1"] == "planned"
        ledger.start("b1")
        assert reader.statuses()["b1"] == "running"


def test_numbers_that_are_none_survive(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.start("b1")
        ledger.epoch("b1", replace(EPOCH, train_loss=math.nan, validation_loss=math.inf))
        ledger.finish("b1", replace(OUTCOME, examples_per_second=math.nan))
        row = ledger.epochs("b1")[0]
        assert math.isnan(row.train_loss)
        assert row.validation_loss == math.inf
        outcome = ledger.outcome("b1")
        assert outcome is not None
        assert math.isnan(outcome.examples_per_second)


def test_the_frames_hold_the_same_numbers(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.start("b1")
        ledger.epoch("b1", EPOCH)
        ledger.finish("b1", OUTCOME)
        runs, epochs = ledger.runs(), ledger.epoch_table()
    assert list(runs.run_id) == [key.run_id for key in KEYS]
    done = runs.iloc[0].to_dict()
    for split, scores in (("test", OUTCOME.test), ("validation", OUTCOME.validation)):
        for name in ("examples", "loss", "accuracy", "f1", "precision", "recall", "confusion"):
            assert done[f"{split}_{name}"] == getattr(scores, name)
    for name in ("trainable", "total", "epochs", "best_epoch", "seconds", "folder", "extra"):
        assert done[name] == getattr(OUTCOME, name)
    assert runs.iloc[1:].test_accuracy.isna().all()
    assert runs.trainable.dtype == "Int64"
    assert epochs.to_dict("records") == [
        {"run_id": "b1", "method": "lora", "size": 50, "seed": 0, "status": "done"}
        | {name: getattr(EPOCH, name) for name in EPOCH.__dataclass_fields__}
    ]


def test_frames_of_an_empty_ledger_have_their_columns(path: Path) -> None:
    with Ledger(path) as ledger:
        assert ledger.runs().empty
        assert "test_accuracy" in ledger.runs().columns
        assert "train_loss" in ledger.epoch_table().columns


def test_a_folder_may_be_read_only(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
    before = path.read_bytes()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        with Ledger(path, readonly=True) as ledger:
            assert ledger.keys() == KEYS
            with pytest.raises(StudyError, match="writable"):
                ledger.start("b1")
    finally:
        path.parent.chmod(0o755)
    assert path.read_bytes() == before


def test_it_serves_only_the_thread_that_opened_it(path: Path) -> None:
    caught: list[BaseException] = []

    def use(ledger: Ledger) -> None:
        try:
            ledger.keys()
        except sqlite3.ProgrammingError as error:
            caught.append(error)

    with Ledger(path) as ledger:
        thread = threading.Thread(target=use, args=(ledger,))
        thread.start()
        thread.join()
    assert len(caught) == 1


def half_written(path: Path, copy: Path) -> None:
    """Copies a ledger and its journal from the middle of a transaction, as a kill leaves them."""
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE runs SET status = 'failed'")
    rows = ((str(number), '"' + "x" * 900 + '"') for number in range(100))
    db.executemany("INSERT INTO facts VALUES (?, ?)", rows)
    copy.mkdir()
    for name in ("ledger.sqlite", "ledger.sqlite-journal"):
        shutil.copy(path.parent / name, copy / name)
    db.execute("ROLLBACK")
    db.close()
    assert (copy / "ledger.sqlite").read_bytes() != path.read_bytes(), "nothing was spilt"


@pytest.mark.parametrize("readonly", [True, False])
def test_a_half_written_transaction_is_taken_back(
    path: Path, tmp_path: Path, readonly: bool
) -> None:
    copy = tmp_path / "copy"
    half_written(path, copy)
    with Ledger(copy / "ledger.sqlite", readonly=readonly) as ledger:
        assert set(ledger.statuses().values()) == {"planned"}
        assert ledger.facts() == {}


def first_schema(path: Path) -> None:
    """Turns a ledger into one of schema 1."""
    db = sqlite3.connect(path)
    for column in ("peak_memory_bytes", "model_bytes"):
        db.execute(f"ALTER TABLE outcomes DROP COLUMN {column}")
    db.execute("ALTER TABLE runs DROP COLUMN variant")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()


@pytest.mark.parametrize("readonly", [True, False])
def test_an_older_ledger_opens_and_lacks_only_what_it_never_had(path: Path, readonly: bool) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.start("b1")
        ledger.finish("b1", OUTCOME)
    first_schema(path)
    before = path.read_bytes()
    known = replace(OUTCOME, peak_memory_bytes=None, model_bytes=None)
    with Ledger(path, readonly=readonly) as ledger:
        assert ledger.outcome("b1") == known
        assert ledger.runs().model_bytes.isna().all()
        assert ledger.runs().trainable[0] == OUTCOME.trainable
        assert set(ledger.runs().variant) == {""}
        assert ledger.keys() == KEYS
    if readonly:
        assert path.read_bytes() == before
        return
    with Ledger(path) as ledger:  # brought up to date for good, and written to like any other
        assert ledger._db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        ledger.start("a2")
        ledger.finish("a2", OUTCOME)
        assert (ledger.outcome("b1"), ledger.outcome("a2")) == (known, OUTCOME)


def test_a_run_takes_the_name_that_the_last_plan_gives_its_settings(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan([RunKey("a", "lora", 16, 0)])
        ledger.start("a")
        ledger.finish("a", OUTCOME)
        tried = [RunKey("a", "lora", 16, 0, "r=8"), RunKey("b", "lora", 16, 0, "r=4")]
        ledger.plan(tried)
        assert ledger.keys() == tried
        assert ledger.runs().variant.tolist() == ["r=8", "r=4"]
        assert ledger.statuses() == {"a": "done", "b": "planned"}


def test_a_newer_schema_is_refused(path: Path) -> None:
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    for readonly in (True, False):
        with pytest.raises(StudyError, match="upgrade weft"):
            Ledger(path, readonly=readonly)


def test_another_programs_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE runs (a)")
    db.commit()
    db.close()
    before = path.read_bytes()
    for readonly in (True, False):
        with pytest.raises(StudyError, match="no ledger of weft"):
            Ledger(path, readonly=readonly)
    assert path.read_bytes() == before


def test_a_file_of_another_kind_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("text,label\n" * 200)
    for readonly in (True, False):
        with pytest.raises(StudyError, match="no ledger of weft") as caught:
            Ledger(path, readonly=readonly)
        assert "move it away" in caught.value.remedy
    assert path.read_text().startswith("text,label")


def test_an_empty_file_becomes_a_ledger_but_is_none_to_a_reader(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StudyError, match="no ledger of weft"):
        Ledger(path, readonly=True)
    with Ledger(path) as ledger:
        assert ledger.keys() == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "study").write_text("a file")
    with pytest.raises(StudyError, match="folder"):
        Ledger(tmp_path / "study" / "ledger.sqlite")


@pytest.mark.parametrize("harm", ["truncated", "overwritten"])
def test_a_damaged_file_is_refused(path: Path, harm: str) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.set_facts({str(number): "x" * 500 for number in range(50)})
    whole = path.read_bytes()
    if harm == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :])
    for readonly in (True, False):
        with pytest.raises(StudyError, match="damaged") as caught:
            Ledger(path, readonly=readonly)
        assert "restore" in caught.value.remedy


def test_a_missing_study_is_said_and_not_made(path: Path) -> None:
    with pytest.raises(StudyError, match="no study"):
        Ledger(path, readonly=True)
    assert not path.parent.exists()


def test_a_second_writer_is_told_to_wait(path: Path) -> None:
    with Ledger(path) as first, Ledger(path) as second:
        first.plan(KEYS)
        second._db.execute("PRAGMA busy_timeout = 0")
        first._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StudyError, match="another process"):
            second.start("b1")
        first._db.execute("COMMIT")
        second.start("b1")
        assert first.statuses()["b1"] == "running"


def test_what_is_written_together_is_there_together(path: Path) -> None:
    with Ledger(path) as ledger, Ledger(path, readonly=True) as reader:
        ledger.plan(KEYS)

        def broken() -> None:
            with ledger.together():
                ledger.start("b1")
                ledger.set_facts({"a": 1})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            broken()
        assert reader.statuses()["b1"] == "planned"
        assert reader.facts() == {}
        with ledger.together():
            ledger.start("b1")
            ledger.set_facts({"a": 1})
            assert reader.statuses()["b1"] == "planned"
        assert reader.statuses()["b1"] == "running"
        ledger.drop_fact("a")
        assert reader.facts() == {}


def test_going_back_withdraws_what_came_after(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        for key in KEYS:
            ledger.start(key.run_id)
            ledger.epoch(key.run_id, EPOCH)
            ledger.epoch(key.run_id, replace(EPOCH, epoch=2, step=8))
        ledger.finish("b1", OUTCOME)
        ledger.fail("a2", "broken")
        ledger.finish("c3", OUTCOME)
        ledger.go_back({"b1": 4, "a2": None})
        assert ledger.statuses() == {"b1": "running", "a2": "planned", "c3": "done"}
        assert ledger.epochs("b1") == [EPOCH]
        assert ledger.epochs("a2") == []
        assert ledger.outcome("b1") is None
        assert ledger.outcome("c3") == OUTCOME
        assert ledger.runs().error.isna().all()
        ledger.finish("b1", OUTCOME)
        assert ledger.outcome("b1") == OUTCOME


def test_only_a_plan_is_forgotten(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.plan(KEYS)
        ledger.set_facts({"a": 1})
        ledger.forget()
        assert ledger.keys() == []
        assert ledger.facts() == {}
        ledger.plan(KEYS)
        ledger.start("b1")
        with pytest.raises(AssertionError, match="has begun"):
            ledger.forget()
        assert len(ledger.keys()) == 3
