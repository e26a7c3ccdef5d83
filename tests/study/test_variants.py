"""Settings tried side by side: which combinations, their names and ids, and who shares a bank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.config import StudyConfig
from weft.data.examples import Examples
from weft.data.splits import Splits
from weft.errors import ConfigError
from weft.study.plan import plan
from weft.study.presets import departures, resolve, to_toml
from weft.study.trees import merged
from weft.study.variants import config_of, sharing, variants

METHODS = ["lora", "bitfit", "full", "probe", "tfidf"]
RATES, RANKS = (5e-4, 1e-3), (4, 8)
IDENTITY = {"data": "d", "backbone": "b"}


def config(grid: dict[str, Any], **over: Any) -> StudyConfig:
    tree = {"methods": METHODS, "sizes": [16, 32], "seeds": 2, "grid": grid}
    return resolve("reviews.csv", merged(tree, over))


def splits() -> Splits:
    labels = np.array([0, 1] * 50)
    some = Examples(tuple(f"text {k}" for k in range(100)), None, labels)
    return Splits("set", some, some, some, "balanced", 100, (16, 32), ())


def labels(study: StudyConfig, method: str) -> list[str]:
    return [variant.label for variant in variants(study, method)]


# Combinations


def test_every_combination_of_what_touches_a_method() -> None:
    study = config({"learning-rate": RATES, "rank": RANKS, "pooling": ["cls", "mean"]})
    assert labels(study, "lora")[:3] == [
        "learning_rate=0.0005, r=4, pooling=cls",
        "learning_rate=0.0005, r=4, pooling=mean",
        "learning_rate=0.0005, r=8, pooling=cls",
    ]
    assert len(labels(study, "lora")) == 8
    # theirs is another rate, and they have no rank
    for method in ("bitfit", "full", "probe"):
        assert labels(study, method) == ["pooling=cls", "pooling=mean"]
    assert labels(study, "tfidf") == [""]


def test_a_combination_has_its_settings_and_no_grid() -> None:
    study = config({"learning-rate": RATES, "target_modules": ["query+value", "query"]})
    last = variants(study, "lora")[-1]
    assert last.label == "learning_rate=0.001, target_modules=query"
    assert last.config.recipe.learning_rate == 1e-3
    assert last.config.lora.target_modules == ("query",)
    assert last.config.grid == {}
    assert last.config.sizes == study.sizes


def test_rates_of_other_methods_are_axes_of_their_own() -> None:
    study = config({"full-learning-rate": [1e-5, 2e-5], "bitfit.learning_rate": [1e-3, 2e-3]})
    assert labels(study, "full") == ["learning_rate=1e-05", "learning_rate=2e-05"]
    assert labels(study, "bitfit") == ["learning_rate=0.001", "learning_rate=0.002"]
    assert labels(study, "lora") == [""]


# Ids


def test_a_run_of_a_combination_is_that_of_a_study_with_its_settings() -> None:
    study = config({"learning-rate": RATES, "rank": RANKS, "pooling": ["cls", "mean"]})
    found = {key.run_id: key for key in plan(study, splits(), IDENTITY)}
    assert len(found) == 4 * (8 + 3 * 2 + 1)
    assert len(plan(study, splits(), IDENTITY)) == len(found)
    alone = config({}, recipe={"learning_rate": 1e-3}, lora={"r": 4}, backbone={"pooling": "mean"})
    for key in plan(alone, splits(), IDENTITY):
        assert key.run_id in found
        assert key.variant == ""
        assert config_of(study, found[key.run_id]).lora.r == (4 if key.method == "lora" else 8)


def test_a_grid_leaves_the_ids_of_methods_alone_that_it_does_not_touch() -> None:
    plain, tried = (plan(config(g), splits(), IDENTITY) for g in ({}, {"rank": RANKS}))
    assert set(plain) <= {*tried} | {key for key in plain if key.method == "lora"}
    by_id = {key.run_id: key for key in tried}
    assert {key.run_id for key in plain} <= by_id.keys()  # rank 8 is the plain study's


def test_epochs_that_are_named_are_just_so_many() -> None:
    """As `--epochs 3` by itself: no floor of steps, unless it is asked for."""
    tried = variants(config({"epochs": [3, 4]}), "lora")
    assert [own.config for own in tried] == [
        config({}, recipe={"epochs": epochs}) for epochs in (3, 4)
    ]
    floor = variants(config({"epochs": [3]}, recipe={"min_steps": 50}), "lora")
    assert floor[0].config.recipe.min_steps == 50
    both = variants(config({"epochs": [3], "min-steps": [9, 10]}), "lora")
    assert [own.config.recipe.min_steps for own in both] == [9, 10]


# Who shares a bank


@pytest.mark.parametrize(
    ("grid", "method", "parts"),
    [
        ({}, "lora", 1),
        ({"learning-rate": RATES, "epochs": [2, 3]}, "lora", 1),
        ({"rank": RANKS}, "lora", 2),
        ({"alpha": [8, 16], "rank": RANKS}, "lora", 4),
        ({"rank": RANKS, "pooling": ["cls", "mean"]}, "lora", 4),
        ({"rank": RANKS, "pooling": ["cls", "mean"]}, "bitfit", 2),
        ({"pooling": ["cls", "mean"]}, "probe", 2),
        ({"max-length": [16, 32]}, "full", 2),
        ({"pooling": ["cls", "mean"]}, "tfidf", 1),
    ],
)
def test_runs_share_a_bank_where_encoder_and_adapter_are_alike(
    grid: dict[str, Any], method: str, parts: int
) -> None:
    study = config(grid)
    keys = [key for key in plan(study, splits(), IDENTITY) if key.method == method]
    found = sharing(study, keys)
    assert len(found) == parts
    assert [key for part in found for key, _ in part if key not in keys] == []
    assert sum(map(len, found)) == len(keys)
    for part in found:
        assert len({own.backbone for _, own in part}) == 1
        if method == "lora":
            assert len({own.lora for _, own in part}) == 1


# As people say it


@pytest.mark.parametrize(
    "name", ["learning-rate", "learning_rate", "--learning-rate", "recipe.learning_rate"]
)
def test_a_setting_goes_by_its_name_or_its_options(name: str) -> None:
    for values in ("5e-4, 1e-3", [5e-4, 1e-3], ("5e-4", "1e-3")):
        assert config({name: values}).grid == {"recipe.learning_rate": (5e-4, 1e-3)}


def test_toml_and_back_and_laid_over(tmp_path: Path) -> None:
    study = config({"rank": "4,8", "target-modules": "query+value,query", "pooling": "cls,mean"})
    assert study.grid["lora.target_modules"] == (("query", "value"), ("query",))
    path = tmp_path / "study.toml"
    path.write_text(to_toml(study), encoding="utf-8")
    assert resolve(str(path), {}) == study
    over = resolve(str(path), {"grid": {"r": [2]}})
    assert over.grid == {**study.grid, "lora.r": (2,)}


def test_names_with_dots_may_stand_without_quotation_marks(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[data]\nsource = "reviews.csv"\n[grid]\nrecipe.learning_rate = [1e-3]\nr = [2]\n'
    )
    assert resolve(str(path), {}).grid == {"recipe.learning_rate": (1e-3,), "lora.r": (2,)}


def test_all_that_is_wrong_is_told_at_once() -> None:
    grid = {
        "learning-rte": "1e-3",
        "rank": "4,0,4",
        "pooling": "cls,max",
        "seeds": "1,2",
        "epochs": "",
        "backbone": "minilm",
        "precision": "auto,bf16",
    }
    with pytest.raises(ConfigError) as caught:
        config(grid, recipe={"epochs": 0})
    for part in (
        "there is no setting learning-rte; did you mean learning-rate?",
        "lora.r: Input should be greater than 0 (found '0')",
        "lora.r names 4 twice",
        "'cls' or 'mean' (found 'max')",
        "seeds is the same for all runs",
        "recipe.epochs has no values",
        "backbone.name is the same for all runs",
        "found 'auto'",
        "recipe.epochs: Input should be greater than 0",
    ):
        assert part in str(caught.value), part


def test_an_axis_that_no_method_heeds_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"none of the methods tfidf heeds lora\.r"):
        resolve("reviews.csv", {"methods": ["tfidf"], "grid": {"rank": [4]}})


def test_a_grid_departs_from_a_preset() -> None:
    assert departures(resolve("sst2", {"grid": {"rank": "4,8"}})) == [
        "grid.lora.r: 4, 8 instead of 8"
    ]
