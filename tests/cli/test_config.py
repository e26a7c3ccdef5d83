"""`--show-config` and `--dry-run`: what would run, said before anything does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.cli.command import NEW_PROCESS, SMALL, process, weft

_LINE = (
    "--text text --label label --positive pos --validation-size 8 --balance stratified "
    "--validation disjoint "
    "--backbone tiny --revision main --pooling mean --precision float64 --max-length 24 "
    "--r 4 --lora-alpha 6.5 --lora-dropout 0.2 --target-modules query,key "
    "--learning-rate 1e-3 --bitfit-learning-rate 2e-3 --full-learning-rate 3e-5 "
    "--batch-size 4 --epochs 3 --weight-decay 0.01 --max-grad-norm 2 "
    "--patience 1 --min-steps 100 --evaluations 10 "
    "--sizes 16,32 --seeds 2 --seeds-at 32:4 --methods lora,tfidf --target 0.9 "
    "--grid learning-rate=1e-3,2e-3 --grid target-modules=query,key "
    "--slots 3 --strip-width 64 --device cuda --exact"
)
EVERYTHING = _LINE.split()


@pytest.mark.parametrize("data", ["reviews.csv", "demo", "sst2"])
@pytest.mark.parametrize("words", [(), tuple(EVERYTHING)])
@pytest.mark.usefixtures("fresh")
def test_the_toml_printed_gives_the_same_study(data: str, words: tuple[str, ...]) -> None:
    said = weft("study", data, *words, "--show-config")
    assert (said.code, said.err) == (0, "")
    Path("my.toml").write_text(said.out, encoding="utf-8")
    again = weft("study", "my.toml", "--show-config")
    assert (again.code, again.err) == (0, "")
    assert again.out == said.out
    assert not Path("weft-studies").exists()


@pytest.mark.usefixtures("fresh")
def test_every_option_arrives() -> None:
    said = weft("study", "reviews.csv", *EVERYTHING, "--show-config")
    assert tomllib.loads(said.out) == {
        "name": "reviews",
        "sizes": [16, 32],
        "seeds": 2,
        "seeds_at": {"32": 4},
        "methods": ["lora", "tfidf"],
        "grid": {"recipe.learning_rate": [1e-3, 2e-3], "lora.target_modules": [["query"], ["key"]]},
        "target": 0.9,
        "data": {
            "source": "reviews.csv",
            "text": "text",
            "label": "label",
            "positive": "pos",
            "validation_size": 8,
            "validation": "disjoint",
            "balance": "stratified",
        },
        "backbone": {
            "name": "tiny",
            "revision": "main",
            "pooling": "mean",
            "precision": "float64",
            "max_length": 24,
        },
        "lora": {
            "r": 4,
            "lora_alpha": 6.5,
            "lora_dropout": 0.2,
            "target_modules": ["query", "key"],
            "bias": "none",
        },
        "recipe": {
            "learning_rate": 1e-3,
            "batch_size": 4,
            "epochs": 3,
            "weight_decay": 0.01,
            "max_grad_norm": 2.0,
            "patience": 1,
            "min_steps": 100,
            "evaluations": 10,
        },
        "bitfit": {"learning_rate": 2e-3},
        "full": {"learning_rate": 3e-5},
        "bank": {"slots": 3, "strip_width": 64, "device": "cuda", "exact": True},
    }


@pytest.mark.parametrize(("option", "key"), [("--data", "folder"), ("--text-pair", "text_pair")])
@pytest.mark.usefixtures("fresh")
def test_options_of_the_data_arrive(option: str, key: str) -> None:
    said = weft("study", "sst2", option, "there", "--show-config")
    assert tomllib.loads(said.out)["data"][key] == "there"


@pytest.mark.usefixtures("fresh")
def test_options_are_laid_over_a_toml_file() -> None:
    Path("my.toml").write_text('[data]\nsource = "reviews.csv"\n[recipe]\nepochs = 3\n')
    said = weft("study", "my.toml", "--epochs", "4", "--batch-size", "16", "--show-config")
    recipe = tomllib.loads(said.out)["recipe"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["patience"]) == (4, 16, 2)


@pytest.mark.usefixtures("fresh")
def test_a_toml_file_without_a_name_is_not_called_demo() -> None:
    Path("my.toml").write_text('[data]\nsource = "reviews.csv"\n')
    said = weft("study", "my.toml", "--show-config")
    assert tomllib.loads(said.out)["name"] == "reviews"


@pytest.mark.usefixtures("fresh")
def test_a_grid_is_typed_axis_by_axis() -> None:
    words = ("--grid", "rank=4", "--grid", "target-modules=query+value,query", "--grid", "r=8")
    said = weft("study", "reviews.csv", *words, "--show-config")
    targets = [["query", "value"], ["query"]]
    grid = {"lora.r": [4, 8], "lora.target_modules": targets}
    assert tomllib.loads(said.out)["grid"] == grid
    Path("my.toml").write_text(said.out, encoding="utf-8")
    said = weft("study", "my.toml", "--grid", "pooling=cls,mean", "--show-config")
    assert tomllib.loads(said.out)["grid"] == {**grid, "backbone.pooling": ["cls", "mean"]}


@pytest.mark.usefixtures("fresh")
def test_what_is_wrong_with_a_grid_is_told_with_all_else() -> None:
    words = ("--grid", "learning-rat=1e-3", "--grid", "rank=0", "--grid", "epochs", "--seeds", "0")
    said = weft("study", "reviews.csv", *words)
    assert (said.code, said.out) == (2, "")
    for part in (
        "did you mean learning-rate?",
        "lora.r: Input should be greater than 0",
        "recipe.epochs has no values",
        "seeds: ",
        "remedy: ",
    ):
        assert part in said.err, said.err
    assert not Path("weft-studies").exists()


@pytest.mark.usefixtures("fresh")
def test_one_classifier_is_no_grid() -> None:
    Path("my.toml").write_text('[data]\nsource = "reviews.csv"\n[grid]\nrank = [4, 8]\n')
    said = weft("train", "my.toml")
    assert said.code == 2
    assert "lora.r" in said.err
    assert "weft study" in said.err


@pytest.mark.usefixtures("fresh")
def test_a_ladder_of_sizes_is_spelled_out() -> None:
    said = weft("study", "reviews.csv", "--sizes", "8:32:3,64", "--show-config")
    assert tomllib.loads(said.out)["sizes"] == [8, 16, 32, 64]
    Path("my.toml").write_text('sizes = "8:32:3,64"\n[data]\nsource = "reviews.csv"\n')
    said = weft("study", "my.toml", "--show-config")
    assert tomllib.loads(said.out)["sizes"] == [8, 16, 32, 64]


# Faults


@pytest.mark.usefixtures("fresh")
def test_all_faults_are_told_at_once_with_the_nearest_right_names() -> None:
    Path("my.toml").write_text(
        'seeds = 0\nsizs = [10]\n[recipe]\nlearning_rte = 1.0\nepochs = "many"\n'
        '[lora]\nlora_dropout = 1.5\n[backbon]\nname = "tiny"\n[bank]\nslots = 100\n'
    )
    said = weft("study", "my.toml")
    assert (said.code, said.out) == (2, "")
    assert said.err.count("error: ") == 1
    for part in (
        "seeds: ",
        "sizs: there is no such setting; did you mean sizes?",
        "recipe.learning_rte: there is no such setting; did you mean learning_rate?",
        "recipe.epochs: ",
        "lora.lora_dropout: ",
        "backbon: there is no such setting; did you mean backbone?",
        "bank.slots: ",
        "remedy: ",
        "--show-config",
    ):
        assert part in said.err, said.err
    assert not Path("weft-studies").exists()


@pytest.mark.usefixtures("fresh")
def test_faults_between_settings_are_told_at_once_too() -> None:
    words = ("--sizes", "32,16", "--seeds-at", "64:2", "--methods", "tfidf,tfidf", "--epochs", "0")
    said = weft("study", "reviews.csv", *words)
    assert said.code == 2
    for part in ("ascend", "64", "methods", "recipe.epochs"):
        assert part in said.err, said.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--sizes", "many"), "sizes takes whole numbers"),
        (("--sizes", "16,"), "sizes takes whole numbers"),
        (("--sizes", "8:32"), "FROM:TO:COUNT"),
        (("--sizes", "8:32:3,16"), "sizes must ascend"),
        (("--seeds-at", "16"), "seeds_at takes whole numbers"),
        (("--sizes", "32,16"), "sizes must ascend"),
        (("--sizes", "16", "--seeds-at", "32:2"), "seeds_at names 32"),
        (("--methods", "lora,lora"), "once each"),
        (("--methods", "svm"), "'lora', 'probe' or 'tfidf'"),
        (("--balance", "never"), "balance"),
        (("--sizes", "1000"), "The largest size that works is 84"),
    ],
)
@pytest.mark.usefixtures("fresh")
def test_a_setting_that_cannot_be_used_is_refused(words: tuple[str, ...], part: str) -> None:
    said = weft("study", "reviews.csv", "--backbone", "tiny", *words)
    assert (said.code, said.out) == (2, "")
    assert part in said.err
    assert "remedy: " in said.err
    assert not Path("weft-studies").exists()


@pytest.mark.parametrize("text", ["seeds = ", "\xff", None])
@pytest.mark.usefixtures("fresh")
def test_a_toml_file_that_cannot_be_read_is_refused(text: str | None) -> None:
    if text is not None:
        Path("my.toml").write_bytes(text.encode("latin-1"))
    said = weft("study", "my.toml")
    assert said.code == 2
    assert "my.toml" in said.err
    assert "remedy: " in said.err


# The plan


def test_the_published_study_is_planned_offline(tmp_path: Path) -> None:
    """No weights lie anywhere that this process may reach: only the shape can be counted."""
    said = process(
        *NEW_PROCESS,
        *("study", "sst2", "--dry-run"),
        cwd=tmp_path,
        HF_HUB_OFFLINE="1",
        HF_HOME=str(tmp_path / "empty"),
    )
    assert said.code == 0, said.err
    assert "trains    296,450 of 109,778,690 parameters (0.27%)" in said.out
    assert "PEFT prints 296,450 of 109,780,228" in said.out
    assert "counts the head's frozen original beside its trained copy" in said.out
    for size, steps in (("1,000", "160"), ("8,000", "1,250"), ("56,000", "8,750")):
        assert re.search(rf"^lora\s+{size}\s+1\s+{steps}$", said.out, re.MULTILINE), said.out
    assert "the study cannot start like this" in said.out
    assert not (tmp_path / "weft-studies").exists()


@pytest.mark.usefixtures("fresh")
def test_a_files_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("safetensors.safe_open", refuse)
    monkeypatch.setattr("weft.methods.make", refuse)
    said = weft("study", "reviews.csv", *SMALL, "--dry-run")
    assert said.code == 0, said.err
    assert "pool 84, validation 18, test 18 examples; 2 classes, balanced" in said.out
    assert "trains    2,114 of 32,546 parameters" in said.out
    assert re.search(r"^runs\s+12\b", said.out, re.MULTILINE)
    for size, steps in ((16, 4), (32, 8)):
        assert re.search(rf"^lora\s+{size}\s+2\s+{steps}$", said.out, re.MULTILINE), said.out
    assert "folder    weft-studies/reviews-tiny" in said.out
    assert not Path("weft-studies").exists()


@pytest.mark.usefixtures("fresh")
def test_a_plan_counts_for_each_method_what_it_trains() -> None:
    said = weft("study", "reviews.csv", *SMALL, "--methods", "lora,full,bitfit,tfidf", "--dry-run")
    assert said.code == 0, said.err
    assert "trains    2,114 of 32,546 parameters (6.50%), lora\n" in said.out
    counted = r"^ {10}[\d,]+ of 30,498 parameters \(\d+\.\d\d%\), bitfit$"
    assert re.search(counted, said.out, re.MULTILINE), said.out
    assert "          30,498 of 30,498 parameters (100.00%), full\n" in said.out
    for method in ("lora", "bitfit", "full"):
        assert re.search(rf"^{method}\s+32\s+2\s+8$", said.out, re.MULTILINE), said.out
    assert "up to 6 adapters at once; full one by one" in said.out


@pytest.mark.usefixtures("fresh")
def test_a_plan_lists_the_grid() -> None:
    words = ("--grid", "rank=4,8", "--grid", "epochs=2,4", "--methods", "lora,tfidf")
    said = weft("study", "reviews.csv", *SMALL, *words, "--dry-run")
    assert said.code == 0, said.err
    assert "grid      lora.r: 4, 8\ngrid      recipe.epochs: 2, 4\n" in said.out
    assert re.search(r"^runs\s+20\b", said.out, re.MULTILINE), said.out
    for name, size, steps in (
        ("lora (r=4, epochs=2)", 16, "4"),
        ("lora (r=8, epochs=4)", 32, "16"),
        ("tfidf", 32, "-"),
    ):
        line = rf"^{re.escape(name)}\s+{size}\s+2\s+{steps}$"
        assert re.search(line, said.out, re.MULTILINE), said.out
    assert "of 32,546 parameters (6.50%), lora (r=8, epochs=2)" in said.out
    assert "lora (r=4, epochs=2)\n" in said.out


@pytest.mark.usefixtures("fresh")
def test_a_plan_says_what_departs_from_the_published_study() -> None:
    said = weft("study", "demo", "--dry-run", "--backbone", "tiny", "--epochs", "3", "--seeds", "3")
    assert said.code == 0, said.err
    lines = re.findall(r"^differs\s+(.+)$", said.out, re.MULTILINE)
    assert lines == [
        "backbone.name: tiny instead of minilm",
        "recipe.epochs: 3 instead of 5",
        "recipe.min_steps: 0 instead of 640",  # as many epochs as were asked for
    ]


@pytest.mark.usefixtures("fresh")
def test_a_plan_refuses_data_that_cannot_be_used() -> None:
    Path("bad.csv").write_text("text,label\ngood,pos\n,neg\n")
    said = weft("study", "bad.csv", "--dry-run")
    assert said.code == 2
    assert "bad.csv, line 3" in said.err
