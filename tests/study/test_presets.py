"""Configurations: presets, what is laid over them, TOML and back, and what a run's id hangs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.config import StudyConfig
from weft.data.examples import Examples
from weft.data.splits import Splits
from weft.errors import ConfigError
from weft.study.faults import validated
from weft.study.plan import plan, steps_of
from weft.study.presets import PUBLISHED, departures, resolve, to_toml
from weft.study.trees import flat, merged

# Every setting but those of the grid: a value that is not sst2's, and the methods that it decides.
TRAINED = frozenset(("lora", "bitfit", "full"))
ENCODED = TRAINED | {"probe"}
ALL = ENCODED | {"tfidf"}
LORA = frozenset(("lora",))
NONE: frozenset[str] = frozenset()
SETTINGS: dict[str, tuple[Any, frozenset[str]]] = {
    "name": ("other", NONE),
    "target": (0.9, NONE),  # of the report alone
    "data.source": ("other.csv", NONE),  # what the data are is known by their hashes
    "data.folder": ("there", NONE),
    "data.text": ("body", ALL),
    "data.text_pair": ("second", ALL),
    "data.label": ("class", ALL),
    "data.positive": ("negative", ALL),
    "data.validation_size": (500, ALL),
    "data.validation": ("disjoint", ALL),
    "data.balance": ("stratified", ALL),
    "backbone.name": ("tiny", NONE),  # its weights' hash counts
    "backbone.revision": ("main", NONE),
    "backbone.pooling": ("mean", ENCODED),
    "backbone.precision": ("float64", ENCODED),
    "backbone.max_length": (128, ENCODED),
    "lora.r": (4, LORA),
    "lora.lora_alpha": (8.0, LORA),
    "lora.lora_dropout": (0.0, LORA),
    "lora.target_modules": (("key",), LORA),
    "recipe.learning_rate": (1e-3, LORA),
    "recipe.batch_size": (16, TRAINED),
    "recipe.epochs": (3, TRAINED),
    "recipe.weight_decay": (0.01, TRAINED),
    "recipe.max_grad_norm": (2.0, TRAINED),
    "recipe.patience": (1, TRAINED),
    "recipe.min_steps": (1000, TRAINED),
    "recipe.evaluations": (10, TRAINED),
    "bitfit.learning_rate": (2e-3, frozenset(("bitfit",))),
    "full.learning_rate": (5e-5, frozenset(("full",))),
    "bank.slots": (2, NONE),
    "bank.strip_width": (64, NONE),  # the same numbers to the tolerance of the bank's promise
    "bank.device": ("cuda", NONE),  # its dropout draws otherwise, from the same law
    "bank.exact": (True, NONE),
}
GRID = {
    "sizes": (1000,),
    "seeds": 2,
    "seeds_at": {8000: 2},
    "methods": ("lora", "probe"),
}
ONE_VALUE = {"lora.bias"}
BANK = {"bank.slots", "bank.strip_width", "bank.device", "bank.exact"}
NOT_PROTOCOL = {"name", "target", "data.folder", *BANK}


def tree(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def test_the_table_above_has_every_setting() -> None:
    assert set(SETTINGS) | set(GRID) | ONE_VALUE == set(flat(StudyConfig().model_dump()))


# The published study


def test_sst2_is_the_published_study() -> None:
    assert flat(resolve("sst2", {}).model_dump()) == {
        "name": "sst2",
        "data.source": "sst2",
        "data.folder": None,
        "data.text": None,
        "data.text_pair": None,
        "data.label": None,
        "data.positive": None,
        "data.validation_size": 1000,
        "data.validation": "random",
        "data.balance": "balanced",
        "backbone.name": "bert-base-uncased",
        "backbone.revision": None,
        "backbone.pooling": "cls",
        "backbone.precision": "auto",
        "backbone.max_length": 512,
        "sizes": (1000, 8000, 56000),
        "seeds": 1,
        "seeds_at": {},
        "target": None,
        "methods": ("lora",),
        "lora.r": 8,
        "lora.lora_alpha": 16.0,
        "lora.lora_dropout": 0.1,
        "lora.target_modules": ("query", "value"),
        "lora.bias": "none",
        "bitfit.learning_rate": 1e-3,
        "full.learning_rate": 2e-5,
        "recipe.learning_rate": 5e-4,
        "recipe.batch_size": 32,
        "recipe.epochs": 5,
        "recipe.weight_decay": 0.0,
        "recipe.max_grad_norm": 1.0,
        "recipe.patience": 2,
        "recipe.min_steps": 0,
        "recipe.evaluations": 20,
        "bank.slots": 6,
        "bank.device": "cpu",
        "bank.strip_width": None,
        "bank.exact": False,
    }


def test_the_published_figures_are_the_notebooks_own() -> None:
    assert PUBLISHED == {
        "1000": {"loss": 0.364, "accuracy": 0.852},
        "8000": {"loss": 0.247, "accuracy": 0.896},
        "56000": {"loss": 0.234, "accuracy": 0.915},
    }


def test_the_demo_is_a_ladder_of_five_on_the_packaged_encoder() -> None:
    demo = resolve("demo", {})
    assert (demo.backbone.name, demo.data.source) == ("minilm", "demo")
    assert (demo.sizes, demo.seeds) == ((50, 100, 200, 400, 800), 3)
    assert demo.methods == ("lora", "probe", "tfidf")


# Departures


@pytest.mark.parametrize("preset", ["demo", "sst2"])
def test_a_preset_as_it_is_departs_in_nothing(preset: str) -> None:
    assert departures(resolve(preset, {})) == []


@pytest.mark.parametrize("key", sorted({*SETTINGS, *GRID} - {"data.source"}))
def test_what_was_overridden_departs_and_nothing_else(key: str) -> None:
    value = SETTINGS[key][0] if key in SETTINGS else GRID[key]
    lines = departures(resolve("sst2", tree(key, value)))
    assert [line.split(": ")[0] for line in lines] == ([] if key in NOT_PROTOCOL else [key])


def test_departures_are_said_in_words() -> None:
    over: dict[str, Any] = {
        "backbone": {"name": "minilm"},
        "sizes": [1000, 2000],
        "seeds_at": {2000: 3},
        "data": {"text": "sentence"},
    }
    assert departures(resolve("sst2", over)) == [
        "data.text: sentence instead of left open",
        "backbone.name: minilm instead of bert-base-uncased",
        "sizes: 1000, 2000 instead of 1000, 8000, 56000",
        "seeds_at: 2000: 3 instead of none",
    ]


def test_a_value_that_is_the_presets_own_does_not_depart() -> None:
    over = {"recipe": {"learning_rate": 5e-4, "epochs": 5}, "sizes": [1000, 8000, 56000]}
    assert departures(resolve("sst2", over)) == []


def test_ones_own_data_have_nothing_to_depart_from() -> None:
    assert departures(resolve("reviews.csv", {"recipe": {"epochs": 1}})) == []


# Laying settings over


def test_none_leaves_what_is_below() -> None:
    base = {"a": 1, "b": {"c": 2, "d": 3}, "seeds_at": {10: 1}}
    over = {"a": None, "b": {"c": None, "d": 4}, "seeds_at": {20: 2}}
    assert merged(base, over) == {"a": 1, "b": {"c": 2, "d": 4}, "seeds_at": {20: 2}}
    assert base == {"a": 1, "b": {"c": 2, "d": 3}, "seeds_at": {10: 1}}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("reviews.csv", "reviews"),
        ("a/b/My Reviews.2.jsonl", "my-reviews.2"),
        ("nyu-mll/glue/sst2", "sst2"),
        ("some/folder", "folder"),
        ("..", "study"),
    ],
)
def test_a_study_is_named_after_its_data(data: str, name: str) -> None:
    assert resolve(data, {}).name == name


def test_a_toml_of_a_preset_fills_in_what_the_preset_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "sst2"\n[data]\nsource = "sst2"\n[recipe]\nepochs = 3\n')
    config = resolve(str(path), {})
    assert config.sizes == (1000, 8000, 56000)
    assert departures(config) == ["recipe.epochs: 3 instead of 5"]


words = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cn")),
    min_size=1,
    max_size=12,
)
rates = st.floats(1e-8, 1e3)
counts = st.integers(1, 10**6)
few = st.integers(1, 1000)
names = words.filter(
    lambda name: name.isprintable() and name.strip(". ") and not set(name) & set("/\\:")
)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of any kind, about half of them left open."""
    sizes = sorted(draw(st.sets(counts, min_size=1, max_size=4)))
    every: dict[str, Any] = {
        "name": names,
        "data.folder": words,
        "data.text": words,
        "data.label": words,
        "data.positive": words,
        "data.validation_size": counts,
        "data.balance": st.sampled_from(["auto", "balanced", "stratified", "strict"]),
        "backbone.name": words,
        "backbone.revision": words,
        "backbone.pooling": st.sampled_from(["auto", "cls", "mean"]),
        "backbone.precision": st.sampled_from(["auto", "bf16", "float32", "float64"]),
        "backbone.max_length": counts,
        "sizes": st.just(sizes),
        "seeds": few,
        "methods": st.lists(st.sampled_from(sorted(ALL)), min_size=1, max_size=5, unique=True),
        "lora.r": few,
        "lora.lora_alpha": rates,
        "lora.lora_dropout": st.floats(0, 0.99),
        "lora.target_modules": st.lists(words, min_size=1, max_size=3),
        "recipe.learning_rate": rates,
        "recipe.weight_decay": st.floats(0, 1),
        "recipe.batch_size": counts,
        "bank.slots": st.integers(1, 64),
        "bank.exact": st.booleans(),
    }
    chosen: dict[str, Any] = {}
    for key, values in every.items():
        if draw(st.booleans()):
            chosen = merged(chosen, tree(key, draw(values)))
    if "sizes" in chosen and draw(st.booleans()):
        chosen["seeds_at"] = {sizes[0]: draw(few)}
    return chosen


@given(configs(), st.sampled_from(["reviews.csv", "demo", "sst2"]))
def test_toml_and_back_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, over: dict[str, Any], data: str
) -> None:
    if data != "reviews.csv":
        over.pop("sizes", None)
        over.pop("seeds_at", None)
    config = resolve(data, over)
    path = tmp_path_factory.getbasetemp() / "round.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert resolve(str(path), {}) == config


def test_sizes_may_stand_as_typed() -> None:
    assert resolve("reviews.csv", {"sizes": "250:1000:3,4000"}).sizes == (250, 500, 1000, 4000)


# Faults


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"recip": {}}, ("recip: there is no such setting; did you mean recipe?",)),
        ({"lora": {"rank": 4}}, ("lora.rank: there is no such setting",)),
        ({"lora": {"alpha": 4}}, ("did you mean lora_alpha?",)),
        ({"recipe": {"lr": 1.0}}, ("recipe.lr: there is no such setting",)),
        ({"zzzz": 1}, ("zzzz: there is no such setting",)),
        ({"sizes": [0]}, ("sizes.0", "greater than 0")),
        ({"sizes": []}, ("sizes",)),
        (
            {"sizes": "16:8:2", "epoch": 1},
            ("climbs", "'16:8:2'", "epoch: there is no such setting"),
        ),
        ({"sizes": "8:32:3,16"}, ("sizes must ascend",)),
        ({"seeds_at": {10: 2}}, ("seeds_at names 10",)),
        ({"methods": []}, ("methods",)),
        ({"lora": {"bias": "all"}}, ("lora.bias", "'none'")),
        ({"lora": {"lora_dropout": 1.0}}, ("lora.lora_dropout", "less than 1")),
        ({"recipe": {"learning_rate": float("nan")}}, ("recipe.learning_rate",)),
        ({"recipe": {"learning_rate": float("inf")}}, ("recipe.learning_rate",)),
        ({"data": "reviews.csv"}, ("data",)),
        ({"seeds": 0, "recipe": {"epochs": 0}, "lorra": 1}, ("seeds", "recipe.epochs", "lorra")),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        validated(settings)
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.remedy


# What a run's id hangs on


def splits(name: str = "set") -> Splits:
    labels = np.array([0, 1] * 50)
    some = Examples(tuple(f"text {k}" for k in range(100)), None, labels)
    return Splits(name, some, some, some, "balanced", 100, (16, 32), ())


def ids(over: dict[str, Any], name: str = "set", **identity: str) -> dict[tuple[Any, ...], str]:
    base = resolve("sst2", {"methods": sorted(ALL), "sizes": [16, 32]})
    config = validated(merged(base.model_dump(), over))
    identity = {"data": "d", "backbone": "b"} | identity
    keys = plan(config, splits(name), identity)
    return {(key.method, key.size, key.seed): key.run_id for key in keys}


def moved(before: dict[Any, str], after: dict[Any, str]) -> set[str]:
    """Methods whose ids differ; those of a method change all or none."""
    assert before.keys() == after.keys()
    odd = {key for key in before if before[key] != after[key]}
    methods = {key[0] for key in odd}
    assert odd == {key for key in before if key[0] in methods}
    return methods


@pytest.mark.parametrize("key", sorted(SETTINGS))
def test_an_id_changes_with_what_decides_the_outcome(key: str) -> None:
    value, methods = SETTINGS[key]
    assert moved(ids({}), ids(tree(key, value))) == methods


def test_ids_stay_what_they_were() -> None:
    """Another id would train a finished study again."""
    now = ids({"seeds": 2})
    assert {now[method, 32, 1] for method in ALL} == {
        *("lora-32-1-d946acfb", "bitfit-32-1-dbc9ab87", "full-32-1-94279d97"),
        *("probe-32-1-613a6a55", "tfidf-32-1-643d9d37"),
    }


def test_an_id_changes_with_the_data_the_weights_and_the_draw() -> None:
    assert moved(ids({}), ids({}, data="other")) == ALL
    assert moved(ids({}), ids({}, name="other")) == ALL
    assert moved(ids({}), ids({}, backbone="other")) == ENCODED


def test_ids_stay_when_settings_are_added() -> None:
    """Finished runs of older studies are found again by these."""
    found = ids({})
    assert found["probe", 16, 0] == "probe-16-0-30e9b2c7"
    assert found["tfidf", 32, 0] == "tfidf-32-0-f042c68c"


def test_an_encoder_that_is_not_there_does_not_change_what_needs_none() -> None:
    config = resolve("reviews.csv", {"methods": ["tfidf"], "sizes": [16]})
    alone = plan(config, splits(), {"data": "d"})
    beside = plan(config, splits(), {"data": "d", "backbone": "b"})
    assert alone == beside


def test_the_grid_is_planned_once_each_and_ids_do_not_hang_on_it() -> None:
    small, large = ids({}), ids({"seeds": 3, "seeds_at": {32: 2}})
    assert small.items() <= large.items()
    assert len(set(large.values())) == len(large) == len(ALL) * (3 + 2)
    assert all(run.startswith(f"{m}-{size}-{seed}-") for (m, size, seed), run in large.items())


@pytest.mark.parametrize(("size", "steps"), [(1, 5), (32, 5), (33, 10), (1000, 160)])
def test_steps_are_those_of_whole_epochs(size: int, steps: int) -> None:
    assert steps_of(resolve("sst2", {}), size) == steps
