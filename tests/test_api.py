"""`weft.Study` and its result, and that a study leaves the process as it found it."""

from __future__ import annotations

import random
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from peft import LoraConfig
from tests import tiny
from tests.cli.command import process, reviews, tree, write_csv

import weft
from weft.config import LoraSettings
from weft.errors import AdapterError, ConfigError, StudyError
from weft.study.choice import best_run
from weft.study.notices import Begun, Opened, RunDone

SETTINGS: dict[str, Any] = {
    "backbone": {"name": "tiny", "precision": "float32"},  # auto is timed: it may vary
    "sizes": [16, 32],
    "seeds": 1,
    "methods": ["lora", "tfidf"],
    "recipe": {"epochs": 2, "batch_size": 8},
}
LORA = LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    write_csv(folder / "reviews.csv", reviews())
    tiny.save(folder / "tiny", "bert")
    return folder


@pytest.fixture
def fresh(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(place, tmp_path / "work", ignore=shutil.ignore_patterns("weft-studies"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    import weft.report  # noqa: F401 (makes the module below known)

    monkeypatch.setattr(sys.modules["weft.report.write"], "draw_all", lambda _: {})


@pytest.fixture(scope="module")
def result(place: Path) -> weft.Result:
    """A study with PEFT's own configuration object, and its figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        done = weft.Study("reviews.csv", **SETTINGS, lora=LORA).run()
        done.folder = done.folder.resolve()
        return done


# The study


def test_a_lora_config_is_taken_as_it_is(result: weft.Result) -> None:
    import json

    key, outcome = next(
        (key, outcome) for key, outcome in _done(result) if (key.method, key.size) == ("lora", 32)
    )
    saved = result.folder / "runs" / key.run_id / "adapter" / "adapter_config.json"
    config = json.loads(saved.read_text(encoding="utf-8"))
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.0)
    assert config["target_modules"] == ["query", "value"]
    assert outcome.trainable == 2 * 2 * 2 * 4 * 32 + 32 * 2 + 2


def _done(result: weft.Result) -> list[Any]:
    from weft.study.ledger import Ledger

    with Ledger(result.folder / "ledger.sqlite", readonly=True) as ledger:
        return [(key, ledger.outcome(key.run_id)) for key in ledger.keys()]  # noqa: SIM118


@pytest.mark.parametrize(
    "lora",
    [
        LORA,
        LoraSettings(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=("query", "value")),
        {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ["query", "value"]},
    ],
)
def test_the_adapters_forms_are_one(lora: Any) -> None:
    study = weft.Study("reviews.csv", lora=lora)
    assert study.config.lora.model_dump() == {
        "r": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "target_modules": ("query", "value"),
        "bias": "none",
    }


def test_a_bare_lora_config_leaves_the_layers_open() -> None:
    assert weft.Study("reviews.csv", lora=LoraConfig()).config.lora.target_modules is None


@pytest.mark.parametrize(
    "field",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"bias": "all"},
        {"bias": "lora_only"},
        {"rank_pattern": {"query": 2}},
        {"alpha_pattern": {"query": 2}},
        {"layers_to_transform": [0]},
        {"layers_to_transform": [0], "layers_pattern": "layer"},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": False},
        {"target_modules": "all-linear"},
        {"target_modules": r".*query"},
        {"exclude_modules": ["key"]},
        {"modules_to_save": ["embeddings"]},
        {"trainable_token_indices": [1, 2]},
        {"lora_bias": True},
        {"fan_in_fan_out": True},
        {"target_parameters": ["embeddings.weight"]},
        {"layer_replication": [(0, 1)]},
    ],
    ids=str,
)
def test_what_a_bank_does_not_train_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(AdapterError) as caught:
        weft.Study("reviews.csv", lora=LoraConfig(**field))
    for name in set(field) - {"layers_pattern"}:
        assert name in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("head", ["classifier", "score"])
def test_a_head_to_be_saved_is_no_reason_to_refuse(head: str) -> None:
    weft.Study("reviews.csv", lora=LoraConfig(task_type="SEQ_CLS", modules_to_save=[head]))


def test_another_kind_of_adapter_is_refused() -> None:
    from peft import IA3Config

    with pytest.raises(AdapterError, match="IA3"):
        weft.Study("reviews.csv", lora=IA3Config())  # pyright: ignore[reportArgumentType]


def test_settings_and_their_faults() -> None:
    study = weft.Study("reviews.csv", seeds=2, recipe={"epochs": 3})
    assert (study.config.seeds, study.config.recipe.epochs) == (2, 3)
    assert study.folder == Path("weft-studies/reviews-minilm")
    with pytest.raises(ConfigError, match=r"learning_rte.*did you mean learning_rate"):
        weft.Study("reviews.csv", recipe={"learning_rte": 1.0})
    with pytest.raises(ConfigError, match="recpe"):
        weft.Study("reviews.csv", recpe={})


def test_sizes_may_stand_as_typed() -> None:
    assert weft.Study("reviews.csv", sizes="16:64:3,84").config.sizes == (16, 32, 64, 84)


def test_settings_of_data_and_backbone() -> None:
    study = weft.Study(
        {"source": "a/reviews.csv", "text": "body"}, backbone={"name": "x/tiny", "pooling": "mean"}
    )
    assert study.config.name == "reviews"
    assert (study.config.data.source, study.config.data.text) == ("a/reviews.csv", "body")
    assert (study.config.backbone.name, study.config.backbone.pooling) == ("x/tiny", "mean")
    assert study.folder == Path("weft-studies/reviews-tiny")


@pytest.mark.usefixtures("no_figures")
def test_a_watcher_is_told_what_happens(fresh: Path) -> None:
    events: list[object] = []
    study = weft.Study("reviews.csv", **(SETTINGS | {"sizes": [16]}), out="here")
    assert study.run(watch=events.append).complete
    kinds = [type(event) for event in events]
    assert kinds.index(Opened) < kinds.index(Begun) < kinds.index(RunDone)
    assert kinds.count(RunDone) == 2
    assert tree(fresh / "here").keys() >= {"results.md", "study.toml"}

    events.clear()
    assert study.run(watch=events.append).complete
    assert RunDone not in [type(event) for event in events]


@pytest.mark.usefixtures("fresh", "no_figures")
def test_work_in_the_folder_needs_no_output(capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    weft.Study("reviews.csv", **(SETTINGS | {"sizes": [16]}), out="silent").run()
    assert capfd.readouterr() == ("", "")


# The result


def test_the_table_is_a_frame_with_a_row_a_size_and_method(result: weft.Result) -> None:
    table = result.table
    assert isinstance(table, pd.DataFrame)
    rows = {(row.method, row.size) for row in table[["method", "size"]].itertuples(index=False)}
    assert {(m, int(n)) for m, n in rows} == {(m, n) for m in ("lora", "tfidf") for n in (16, 32)}
    for split in ("test", "validation"):
        assert table[f"{split}_accuracy"].between(0, 1).all()


def test_the_runs_are_a_frame_with_a_row_a_run(result: weft.Result) -> None:
    assert len(result.runs) == 4
    assert set(result.runs["status"]) == {"done"}


def test_a_result_is_found_again_by_its_folder(result: weft.Result) -> None:
    again = weft.Result(result.folder)
    pd.testing.assert_frame_equal(again.table, result.table)
    assert again.answer == result.answer
    assert again.best_run() == result.best_run()


def test_a_result_that_is_not_there() -> None:
    with pytest.raises(StudyError):
        _ = weft.Result("nowhere").table


def test_the_best_model_saved_and_loaded_gives_the_same(
    result: weft.Result, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    texts = [text for text, _ in reviews(20, seed=5)]
    best = result.best()
    assert best.method == best_run(result.folder)[0].method
    rows = best.predict_proba(texts)
    assert list(best.predict(texts)) == [["neg", "pos"][k] for k in rows.argmax(1)]
    best.save_pretrained(tmp_path / "out")
    loaded = weft.load(tmp_path / "out")
    assert np.array_equal(loaded.predict_proba(texts), rows)
    assert np.array_equal(weft.load(f"{result.folder}:best").predict_proba(texts), rows)


def test_each_run_saved_and_loaded_gives_the_same(
    result: weft.Result, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    texts = [text for text, _ in reviews(20, seed=5)]
    for key, _ in _done(result):
        model = weft.load(f"{result.folder}:{key.run_id}")
        rows = model.predict_proba(texts)
        model.save_pretrained(tmp_path / key.run_id)
        assert np.array_equal(weft.load(tmp_path / key.run_id).predict_proba(texts), rows)


# The process around it


def state() -> dict[str, object]:
    """All that a study could change for others in the process."""
    from transformers.utils import logging

    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "NumPy's generator": (name, np.asarray(keys).tobytes(), *rest),
        "Python's generator": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "verbosity": logging.get_verbosity(),
        "bars": logging.is_progress_bar_enabled(),
    }


def changed(before: dict[str, object]) -> set[str]:
    return {name for name, value in state().items() if value != before[name]}


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.usefixtures("fresh")
def test_a_study_leaves_the_process_as_it_was(pooling: str) -> None:
    backbone = {"name": "tiny", "pooling": pooling, "precision": "float32"}
    settings = SETTINGS | {"backbone": backbone, "methods": ["lora", "probe", "tfidf"]}
    before = state()
    result = weft.Study("reviews.csv", **(settings | {"sizes": [16]})).run()
    assert changed(before) == set()
    for key, _ in _done(result):
        weft.load(f"{result.folder}:{key.run_id}").predict(["good"])
    assert changed(before) == set()


@pytest.mark.usefixtures("no_figures")
@pytest.mark.usefixtures("fresh")
def test_what_the_process_drew_before_does_not_matter() -> None:
    settings = SETTINGS | {"sizes": [16]}
    models: list[dict[str, bytes]] = []
    for k in range(2):
        torch.rand(k + 1)
        result = weft.Study("reviews.csv", **settings, out=f"study-{k}").run()
        models.append(tree_of_outcomes(result.folder))
    assert models[0] == models[1]


SPAWN = """
import multiprocessing
import sys


def work(folder):
    import weft
    from peft import LoraConfig

    weft.Study(
        "reviews.csv", backbone={"name": "tiny", "precision": "float32"}, sizes=[16, 32],
        seeds=1, methods=["lora", "tfidf"], recipe={"epochs": 2, "batch_size": 8}, out=folder,
        lora=LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"]),
    ).run()


if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=work, args=(sys.argv[1],))
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


def tree_of_outcomes(study: Path) -> dict[str, bytes]:
    """Adapters, checkpoints, predictions and figures: all that no clock is in."""
    timed = re.compile(
        r"results\..*|report\.html|.*training_log\.csv|.*run\.json|.*\.study\.json|ledger\.sqlite"
        r"|study\.toml"
    )
    return {name: held for name, held in tree(study).items() if not timed.fullmatch(name)}


def test_another_process_spawned_by_another_gives_equal_bytes(
    fresh: Path, result: weft.Result
) -> None:
    Path("spawn.py").write_text(SPAWN, encoding="utf-8")
    threads = str(torch.get_num_threads())
    said = process(sys.executable, "spawn.py", "there", cwd=fresh, PYTHONHASHSEED="7",
                   OMP_NUM_THREADS=threads)  # fmt: skip
    assert (said.code, said.out, said.err) == (0, "", "")
    ours, theirs = tree_of_outcomes(result.folder), tree_of_outcomes(fresh / "there")
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == set()
    for part in ("adapter_model.safetensors", "predictions.parquet", ".pdf", ".png"):
        assert any(name.endswith(part) for name in ours)


@pytest.mark.usefixtures("fresh", "no_figures")
def test_a_grid_of_settings_by_their_short_names() -> None:
    grid = {"learning_rate": [5e-4, 5e-3], "rank": [4]}
    study = weft.Study("reviews.csv", grid=grid, **SETTINGS)
    assert study.config.grid == {"recipe.learning_rate": (5e-4, 5e-3), "lora.r": (4,)}
    result = study.run()
    table = result.table
    assert sorted(set(table.variant)) == [
        "",
        "learning_rate=0.0005, r=4",
        "learning_rate=0.005, r=4",
    ]
    key, _ = result.run_of("lora", 32, variant="learning_rate=0.005, r=4")
    assert (key.size, key.variant) == (32, "learning_rate=0.005, r=4")
    assert result.best_run()[0].run_id in set(result.runs.run_id)
    assert "settings tried" in result.answer
