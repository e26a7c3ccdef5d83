"""`weft study FILE.csv`, from labelled text to the table, as its user sees it."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from pathlib import Path

import pytest
from tests.cli.command import SMALL, Said, reviews, weft, write_csv
from tests.cli.conftest import STUDY

from weft.study.ledger import Ledger

RUNS = [
    (method, size, seed)
    for method in ("lora", "probe", "tfidf")
    for size in (16, 32)
    for seed in (0, 1)
]


@pytest.fixture(scope="session")
def place(finished: tuple[Path, Said]) -> Path:
    return finished[0] / STUDY


@pytest.fixture(scope="session")
def said(finished: tuple[Path, Said]) -> Said:
    return finished[1]


def folder_of(study: Path, method: str, size: int, seed: int) -> Path:
    (found,) = (study / "runs").glob(f"{method}-{size}-{seed}-*")
    return found


# What is printed


def test_it_ends_well(said: Said) -> None:
    assert said.code == 0, said.err


def test_the_table_has_every_size_and_method(said: Said) -> None:
    table = said.out[: said.out.index("Answer.")]
    for method in ("lora", "probe", "tfidf"):
        assert len(re.findall(rf"^.*\b{method} .*%", table, re.MULTILINE)) == 2, table
    assert re.search(r"^\s*16 ", table, re.MULTILINE)
    assert re.search(r"^\s*32 ", table, re.MULTILINE)


def test_the_answer_is_a_sentence(said: Said) -> None:
    (answer,) = re.findall(r"^Answer\. (.+)$", said.out, re.MULTILINE)
    assert answer.endswith(".")
    assert "accuracy" in answer


def test_three_sentences_are_read_and_one_of_them_wrongly(said: Said) -> None:
    lines = re.findall(r"^  (right|wrong)  (neg|pos) (\d+)%\s+(.+)$", said.out, re.MULTILINE)
    assert [mark for mark, *_ in lines] == ["right", "right", "wrong"]
    assert {lines[0][1], lines[1][1]} == {"neg", "pos"}
    texts = dict(reviews())
    for mark, label, _, text in lines:
        text, _, truth = text.partition("  (is ")
        other = {"neg": "pos", "pos": "neg"}[label]
        assert texts[text] == (label if mark == "right" else other)
        assert truth == ("" if mark == "right" else f"{other})")


def test_the_paths_printed_are_there(said: Said, finished: tuple[Path, Said]) -> None:
    paths = re.findall(r"^  (weft-studies\S+)", said.out, re.MULTILINE)
    names = {path.rstrip("/").rpartition("/")[2] for path in paths}
    assert names == {
        *("report.html", "results.md", "results.csv", "results.json", "check.json"),
        *("figures", "runs"),
    }
    for path in paths:
        assert (finished[0] / path).exists(), path


def test_it_ends_with_what_to_type_next(said: Said) -> None:
    assert "weft predict weft-studies/reviews-tiny:best" in said.out
    assert said.out.endswith("  weft study yours.csv\n")


def test_progress_is_told_on_standard_error_alone(said: Said) -> None:
    assert said.err.count("done ") == len(RUNS)
    for method, size, seed in RUNS:
        assert re.search(rf"done {method}\s+{size}\s+seed {seed}\b", said.err)
    assert "done " not in said.out
    assert "the local folder tiny" in said.err
    assert "Traceback" not in said.err
    assert "Warning" not in said.err


# What is written


@pytest.mark.parametrize(
    "name",
    [
        "results.md",
        "results.csv",
        "results.json",
        "study.toml",
        "ledger.sqlite",
        *(f"figures/{name}.{kind}" for name in ("loss", "acc", "sizes", "confusion_matrix")
          for kind in ("pdf", "png")),
        "figures/confusion_matrix_16.pdf",
        "figures/confusion_matrix_32.pdf",
    ],
)  # fmt: skip
def test_the_study_has_its_files(place: Path, name: str) -> None:
    head = (place / name).read_bytes()[:4]
    assert head
    if name.endswith((".pdf", ".png")):
        assert head == {".pdf": b"%PDF", ".png": b"\x89PNG"}[Path(name).suffix]


@pytest.mark.parametrize(("method", "size", "seed"), RUNS)
def test_each_run_has_its_model_and_its_predictions(
    place: Path, method: str, size: int, seed: int
) -> None:
    run = folder_of(place, method, size, seed)
    card = json.loads((run / "adapter" / "weft.json").read_text(encoding="utf-8"))
    assert (card["method"], card["labels"]) == (method, ["neg", "pos"])
    assert (run / "predictions.parquet").stat().st_size > 0
    if method != "tfidf":
        assert (run / "adapter" / "tokenizer.json").is_file()
        assert card["backbone"]["pooling"] == "cls"


@pytest.mark.parametrize(("size", "seed"), [(size, seed) for size in (16, 32) for seed in (0, 1)])
def test_an_adapter_is_in_pefts_format_with_a_checkpoint_an_epoch(
    place: Path, size: int, seed: int
) -> None:
    run = folder_of(place, "lora", size, seed)
    config = json.loads((run / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["peft_type"], config["task_type"]) == ("LORA", "SEQ_CLS")
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (8, 16, 0.1)
    assert config["target_modules"] == ["query", "value"]
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    log = (run / "training_log.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(log))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == [
        "epoch",
        "step",
        "train_loss",
        "running_train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
        "seconds",
    ]
    checkpoints = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert checkpoints == ["epoch-1.safetensors", "epoch-2.safetensors"]


def test_the_adapter_kept_is_the_best_epochs(place: Path) -> None:
    from safetensors.numpy import load_file

    for size, seed in ((16, 0), (16, 1), (32, 0), (32, 1)):
        run = folder_of(place, "lora", size, seed)
        rows = list(csv.DictReader((run / "training_log.csv").read_text().splitlines()))
        best = min(rows, key=lambda row: float(row["validation_loss"]))["epoch"]
        kept = load_file(run / "adapter" / "adapter_model.safetensors")
        there = load_file(run / "checkpoints" / f"epoch-{best}.safetensors")
        assert kept.keys() == there.keys()
        assert all((kept[name] == there[name]).all() for name in kept)


def test_the_training_log_is_the_ledgers(place: Path) -> None:
    with Ledger(place / "ledger.sqlite", readonly=True) as ledger:
        assert set(ledger.statuses().values()) == {"done"}
        assert [(k.method, k.size, k.seed) for k in ledger.keys()] == RUNS  # noqa: SIM118
        for key in ledger.keys():  # noqa: SIM118
            log = place / "runs" / key.run_id / "training_log.csv"
            assert log.exists() == (key.method == "lora")
            assert len(ledger.epochs(key.run_id)) == (2 if key.method == "lora" else 0)


def test_the_results_give_both_splits_apart(place: Path) -> None:
    results = json.loads((place / "results.json").read_text(encoding="utf-8"))
    assert len(results["runs"]) == len(RUNS)
    for run in results["runs"]:
        for split in ("test", "validation"):
            assert set(run[split]) >= {"loss", "accuracy", "f1", "precision", "recall"}
            assert run[split]["examples"] == 18
    rows = list(csv.DictReader((place / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(RUNS)


def test_the_frozen_configuration_says_what_ran(place: Path) -> None:
    config = tomllib.loads((place / "study.toml").read_text(encoding="utf-8"))
    assert config["sizes"] == [16, 32]
    assert config["backbone"]["precision"] == "float32"
    assert config["recipe"]["batch_size"] == 8
    facts = json.loads((place / "results.json").read_text(encoding="utf-8"))["facts"]
    assert facts["command"] == f"weft study reviews.csv {' '.join(SMALL)}"
    assert len(facts["backbone"]["sha256"]) == 64
    assert facts["data"]["hashes"]["reviews.csv"]
    assert {"torch", "transformers", "peft"} <= set(facts["versions"])


# Quiet and JSON


@pytest.mark.usefixtures("study", "no_figures")
def test_quiet_says_nothing_on_standard_error() -> None:
    said = weft("study", "reviews.csv", *SMALL, "-q")
    assert (said.code, said.err) == (0, "")
    assert "Answer." in said.out


@pytest.mark.usefixtures("no_figures")
def test_json_is_all_of_standard_output(study: Path) -> None:
    said = weft("study", "reviews.csv", *SMALL, "--json")
    assert said.code == 0
    assert said.out == (study / "results.json").read_text(encoding="utf-8")
    assert len(json.loads(said.out)["runs"]) == len(RUNS)
    (begun,) = (line for line in map(json.loads, said.err.splitlines()) if line["event"] == "begun")
    assert [run["finished"] for run in begun["runs"]] == [True] * 12


# Odd data


@pytest.mark.usefixtures("no_figures")
@pytest.mark.usefixtures("fresh")
def test_three_classes() -> None:
    rows = [(f"{label} story {k}", label) for k in range(40) for label in ("bad", "dull", "good")]
    write_csv(Path("three.csv"), rows)
    said = weft("study", "three.csv", "--methods", "tfidf", "--sizes", "30", "--seeds", "1")
    assert said.code == 0, said.err
    (folder,) = Path("weft-studies").iterdir()
    (run,) = json.loads((folder / "results.json").read_text(encoding="utf-8"))["runs"]
    assert [len(row) for row in run["test"]["confusion"]] == [3, 3, 3]


@pytest.mark.usefixtures("no_figures")
@pytest.mark.usefixtures("fresh")
def test_labels_and_folders_in_brackets_are_shown_letter_by_letter() -> None:
    names = {"neg": "[/bad]", "pos": "[red]"}
    write_csv(Path("odd.csv"), [(text, names[label]) for text, label in reviews()])
    words = ["--methods", "tfidf", "--sizes", "32", "--seeds", "1", "--out", "[bold]"]
    said = weft("study", "odd.csv", *words, "--dry-run")
    assert said.code == 0, said.err
    assert "'[red]'" in said.out
    said = weft("study", "odd.csv", *words)
    assert said.code == 0, said.err
    assert re.search(r"^  right  \[/bad\] \d+%", said.out, re.MULTILINE)
    assert re.search(r"^  wrong .+ \(is (\[red\]|\[/bad\])\)$", said.out, re.MULTILINE)
    assert "[bold]/results.md" in said.out
    assert "[bold]:best" in said.out


@pytest.mark.usefixtures("no_figures")
@pytest.mark.usefixtures("fresh")
def test_a_model_without_a_fault_shows_none() -> None:
    rows = [(f"{word} {k} {word}", word) for k in range(40) for word in ("good", "bad")]
    write_csv(Path("easy.csv"), rows)
    said = weft("study", "easy.csv", "--methods", "tfidf", "--sizes", "40", "--seeds", "1")
    assert said.code == 0, said.err
    shown = re.findall(r"^  (right|wrong)  ", said.out, re.MULTILINE)
    assert "wrong" not in shown
    heading = re.search(r"^(\w+) test sentences", said.out, re.MULTILINE)
    assert heading is not None
    assert {"Two": 2, "Three": 3}[heading[1]] == len(shown)


def test_a_device_that_is_not_there_is_refused_before_any_work(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    said = weft("study", "demo", "--device", "cuda", "--out", str(tmp_path / "study"))
    assert said.code == 2
    assert "CUDA" in said.err
    assert "--device" in said.err
    assert not (tmp_path / "study").exists()


@pytest.mark.usefixtures("fresh", "no_figures")
def test_settings_are_tried_side_by_side_and_again_nothing_is_trained() -> None:
    words = ("study", "reviews.csv", *SMALL, "--methods", "lora,probe")
    words += ("--grid", "learning-rate=5e-4,5e-3", "--grid", "pooling=cls,mean")
    said = weft(*words)
    assert said.code == 0, said.err
    assert "Settings tried: mean validation accuracy" in said.out
    assert "lora" in said.err
    assert "learning_rate=0.005, pooling=mean" in said.err
    page = (STUDY / "results.md").read_text(encoding="utf-8")
    assert "Test was looked at by 24 runs (6 settings); choosing used validation alone." in page
    assert "| probe (pooling=mean) |" in page
    assert "in their place (recipe.learning rate 0.0005 and 0.005, backbone.pooling" in page
    again = weft(*words)
    assert again.code == 0, again.err
    assert "24 finished before" in again.err
    assert "  done " not in again.err
    from_toml = weft("study", str(STUDY / "study.toml"), "--out", str(STUDY))
    assert "24 finished before" in from_toml.err
