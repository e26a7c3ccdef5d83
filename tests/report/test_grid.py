"""Settings tried side by side in a report: rows of their own, validation's marks, one answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from weft.report import gather, read, write
from weft.report.grid import main_settings, of_main_settings
from weft.report.rows import name_in, records
from weft.report.tables import render, render_grid
from weft.study.ledger import Ledger

MakeStudy = Callable[..., Path]

RATES = {"learning_rate=0.001": 0.0, "learning_rate=0.002": 0.12, "learning_rate=0.01": -0.1}
"""The second is the best."""
BEST = "learning_rate=0.002"


@pytest.fixture
def folder(make_predicted: MakeStudy) -> Path:
    return make_predicted(sizes=(500, 2000), tried={"lora": RATES})


def printed(table: object) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(table)
    return out.getvalue()


def test_every_setting_has_rows_of_its_own_and_validation_marks_one(folder: Path) -> None:
    rows = records(gather(read(folder)).table)
    assert [(row["size"], row["method"], row["variant"]) for row in rows] == [
        *((500, "lora", name) for name in RATES),
        (500, "tfidf", ""),
        *((2000, "lora", name) for name in RATES),
        (2000, "tfidf", ""),
    ]
    for row in rows:
        wanted = None if row["method"] == "tfidf" else row["variant"] == BEST
        assert (row["chosen"], row["main"]) == (wanted, wanted)
        assert row["seeds"] == 3
        assert row["test_accuracy_low"] < row["test_accuracy"] < row["test_accuracy_high"]


def test_test_chooses_nothing(folder: Path) -> None:
    """Whatever test says: the other two settings are made perfect there."""
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger._db.execute(
            "UPDATE scores SET accuracy = 1 WHERE split = 'test' AND run_id IN "
            f"(SELECT run_id FROM runs WHERE variant <> '{BEST}')"
        )
    assert main_settings(read(folder)) == {"lora": BEST}
    rows = records(gather(read(folder)).table)
    assert {row["variant"] for row in rows if row["chosen"]} == {BEST}


def test_a_size_may_have_another_winner_than_all_sizes(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500, 2000), tried={"lora": RATES})
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger._db.execute(
            "UPDATE scores SET accuracy = 0.99 WHERE split = 'validation' AND run_id IN "
            "(SELECT run_id FROM runs WHERE variant = 'learning_rate=0.01' AND size = 500)"
        )
        ledger._db.execute(
            "UPDATE scores SET accuracy = 0.2 WHERE split = 'validation' AND run_id IN "
            "(SELECT run_id FROM runs WHERE variant = 'learning_rate=0.01' AND size = 2000)"
        )
    rows = records(gather(read(folder)).table)
    assert [(row["size"], row["variant"]) for row in rows if row["chosen"]] == [
        (500, "learning_rate=0.01"),
        (2000, BEST),
    ]
    assert {row["variant"] for row in rows if row["main"]} == {BEST}


def test_curves_comparisons_and_answer_are_of_the_chosen_setting(folder: Path) -> None:
    view = read(folder)
    main = of_main_settings(view)
    assert name_in(main, "lora") == f"lora ({BEST})"
    assert {row["variant"] for row in records(main.runs)} == {BEST, ""}
    assert {row["run_id"] for row in records(main.epochs)} == {
        row["run_id"] for row in records(main.runs) if row["method"] == "lora"
    }
    found = gather(view)
    assert set(found.judged) == {(m, s) for m in ("lora", "tfidf") for s in (500, 2000)}
    assert len(found.every) == 8
    assert found.judged["lora", 500] is found.every[f"lora ({BEST})", 500]
    assert len(found.compared.family.comparisons) == 4
    assert f"LoRA here is that of {BEST}: of 3 settings tried" in found.answer[-1]
    assert {cell.name for cell in found.cells} == {f"lora ({BEST})", "tfidf"}
    assert found.best is not None
    assert found.best.key.variant == BEST


def test_without_a_grid_nothing_is_said_of_settings(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500, 2000))
    view = read(folder)
    assert of_main_settings(view) is view
    found = gather(view)
    assert found.judged == found.every
    assert not any("settings" in paragraph for paragraph in found.answer)
    assert render_grid(found.table) is None
    write(folder)
    assert "validation's choice" not in (folder / "results.md").read_text(encoding="utf-8")


def test_the_page_marks_the_choice_and_counts_the_looks(folder: Path) -> None:
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "Test was looked at by 24 runs (4 settings); choosing used validation alone." in page
    for split in ("## Test scores by size", "## Validation scores by size"):
        table = page.split(split)[1].split("\n## ")[0]
        lines = [line for line in table.splitlines() if line.startswith("| 500 | lora (")]
        assert len(lines) == 3
        marked = [
            line for line in lines if "validation's choice here, in answer and curves" in line
        ]
        assert len(marked) == 1
        assert f"| lora ({BEST}) |" in marked[0]


def test_other_programs_get_the_settings_too(folder: Path) -> None:
    write(folder)
    said = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert said["test_looked_at"] == 24
    assert said["settings_tested"] == 4
    assert said["main_settings"] == {"lora": BEST}
    assert {run["variant"] for run in said["runs"]} == {*RATES, ""}
    assert [row["variant"] for row in said["sizes"] if row["chosen"]] == [BEST, BEST]
    header, *lines = (folder / "results.csv").read_text(encoding="utf-8").splitlines()
    assert header.split(",")[:3] == ["run_id", "method", "variant"]
    assert len(lines) == 24


def test_the_terminal_shows_one_setting_and_what_validation_said_of_all(folder: Path) -> None:
    found = gather(read(folder))
    assert printed(render(found.table)).count("lora") == 2
    grid = render_grid(found.table)
    assert grid is not None
    text = printed(grid)
    for name in RATES:
        assert name in text
    (line,) = (line for line in text.splitlines() if BEST in line)
    assert line.startswith(">")
    assert line.count("*") == 2


def test_settings_that_failed_everywhere_are_not_chosen(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500,), tried={"lora": RATES})
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger._db.execute(f"UPDATE runs SET status = 'failed' WHERE variant = '{BEST}'")
    assert main_settings(read(folder)) == {"lora": "learning_rate=0.001"}
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert f"(lora ({BEST}), size 500, seed 0)" in page
    assert "Test was looked at by 9 runs (3 settings)" in page


def test_random_weights_have_no_winner_to_show(make_predicted: MakeStudy) -> None:
    facts = {"name": "random", "random_weights": True}
    folder = make_predicted(sizes=(500,), seeds=1, tried={"lora": RATES}, facts=facts)
    write(folder)
    rows = records(gather(read(folder)).table)
    assert {row["chosen"] for row in rows} == {None}
