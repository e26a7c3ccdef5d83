"""What is given to `weft.Classifier`: columns of all kinds, weights, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import tiny
from tests.cli.command import reviews

import weft
from weft.data.given import column, labels_of, texts_of, weights_of
from weft.data.weights import class_weights
from weft.errors import AdapterError, ConfigError, DataError, InputError

ROWS = reviews(80, noise=0.0)
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]
CODES = [int(label == "pos") for label in LABELS]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save(tmp_path_factory.mktemp("encoder") / "tiny", "bert"))


def polars(values: list[Any]) -> Any:
    return pytest.importorskip("polars").Series("values", values)


def polars_table(values: list[Any]) -> Any:
    return pytest.importorskip("polars").DataFrame({"values": values})


# Columns

COLUMNS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "numpy": np.array,
    "numpy of objects": lambda values: np.array(values, dtype=object),
    "numpy, one column": lambda values: np.array(values)[:, None],
    "pandas": pd.Series,
    "pandas, other index": lambda values: pd.Series(values, index=range(7, 7 + len(values))),
    "pandas category": lambda values: pd.Series(values).astype("category"),
    "pandas table": lambda values: pd.DataFrame({"values": values}),
    "pandas string": lambda values: pd.Series(values).convert_dtypes(),
    "arrow": pa.array,
    "arrow in chunks": lambda values: pa.chunked_array([values[:3], values[3:]]),
    "arrow table": lambda values: pa.table({"values": values}),
    "polars": polars,
    "polars table": polars_table,
}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("values", [TEXTS, CODES, [code == 1 for code in CODES]])
def test_every_kind_of_column_is_read_as_a_list(kind: str, values: list[Any]) -> None:
    read = column(COLUMNS[kind](values), "value")
    assert read == values
    assert {type(value) for value in read} == {type(values[0])}


@pytest.mark.parametrize("kind", ["numpy of objects", "pandas", "arrow in chunks", "polars"])
def test_it_learns_the_same_from_each(kind: str) -> None:
    give = COLUMNS[kind]
    model = weft.Classifier("tfidf").fit(give(TEXTS), give(LABELS))
    plain = weft.Classifier("tfidf").fit(TEXTS, LABELS)
    assert np.array_equal(model.predict_proba(give(TEXTS)), plain.predict_proba(TEXTS))
    assert model.score(give(TEXTS), give(LABELS)) == plain.score(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ((3, 12), "i"),
        ((False, True), "b"),
        ((0.0, 1.0), "f"),
        (("no", "yes"), "O"),
    ],
)
def test_labels_come_back_as_they_were_given(words: Any, kind: str, tmp_path: Path) -> None:
    y = [words[code] for code in CODES]
    model = weft.Classifier("tfidf").fit(TEXTS, y)
    model.save_pretrained(tmp_path)
    for one in (model, weft.load(tmp_path)):
        assert one.classes_.tolist() == list(words)
        assert one.classes_.dtype.kind == kind
        assert [type(label) for label in one.predict(TEXTS[:2]).tolist()] == [type(words[0])] * 2
        assert one.score(TEXTS, y) > 0.95


def test_numbers_stand_in_their_own_order() -> None:
    y = [{0: 9, 1: 10}[code] for code in CODES]  # "10" comes before "9"
    model = weft.Classifier("tfidf").fit(TEXTS, y)
    assert model.classes_.tolist() == [9, 10]
    assert model.score(TEXTS, y) > 0.95


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=2).filter(lambda y: len(set(y)) > 1))
def test_classes_and_their_places_give_the_labels_again(y: list[str]) -> None:
    classes, codes = labels_of(y, len(y))
    assert classes[codes].tolist() == y
    assert classes.tolist() == sorted(set(y))


# Refused


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ("a string", "put a single text in a list"),
        (b"bytes", "one bytes"),
        (None, "None"),
        ({"a": 1}, "dict, which has no order"),
        ({"a", "b"}, "set, which has no order"),
        (3.0, "found:  3.0"),
        (["good", None], "text 1 is missing"),
        (["good", float("nan")], "text 1 is missing"),
        (pd.Series(["good", pd.NA], dtype="string"), "text 1 is missing"),
        (pa.array(["good", None]), "text 1 is missing"),
        (["good", "  "], "text 1 is blank"),
        (["good", 7], "text 1 is no string"),
        ([["good"], ["bad"]], "text 0 is no string"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "shape (1, 2)"),
        (pa.table({"a": ["x"], "b": ["y"]}), "shape (1, 2)"),
        (np.array("good"), "shape ()"),
    ],
)
def test_texts_that_cannot_be_used(texts: Any, part: str) -> None:
    model = weft.Classifier("tfidf").fit(TEXTS, LABELS)
    for use in (model.predict, model.predict_proba, texts_of, lambda x: model.fit(x, ["a", "b"])):
        with pytest.raises(InputError) as caught:
            use(texts)
        assert part in str(caught.value)
        assert caught.value.remedy
        assert isinstance(caught.value, DataError | ValueError)


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        (None, "the target y is None"),
        (["a", "a"], "only one label"),
        (["a"], "2, 1"),
        (["a", None], "label 1 is missing"),
        ([1.0, float("nan")], "label 1 is missing"),
        ([0.5, 1.0], "continuous"),
        (["a", 1], "int and str"),
        ([["a", "b"], ["a"]], "not all of one kind"),
        ("ab", "one str"),
    ],
)
def test_labels_that_cannot_be_used(labels: Any, part: str) -> None:
    with pytest.raises(InputError) as caught:
        weft.Classifier("tfidf").fit(["good", "bad"], labels)
    assert part in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("weights", "part"),
    [
        ([1.0], "differ in number"),
        ([1.0, -1.0], "from 0 up"),
        ([1.0, float("nan")], "from 0 up"),
        ([0.0, 0.0], "all weights are zero"),
        (["heavy", "light"], "no number"),
    ],
)
def test_weights_that_cannot_be_used(weights: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        weft.Classifier("tfidf").fit(["good", "bad"], ["a", "b"], weights)


@pytest.mark.parametrize(
    ("parameters", "part"),
    [
        ({"r": 0}, "lora.r"),
        ({"r": 2.5}, "lora.r"),
        ({"lora_dropout": 1.0}, "lora.lora_dropout"),
        ({"target_modules": 5}, "lora.target_modules"),
        ({"learning_rate": -1.0}, "recipe.learning_rate"),
        ({"method": "full", "learning_rate": -1.0}, "full.learning_rate"),
        ({"epochs": 0, "batch_size": 0}, "recipe.epochs"),
        ({"pooling": "max"}, "backbone.pooling"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"validation_fraction": "some"}, "validation_fraction"),
        ({"class_weight": "even"}, "class_weight"),
        ({"class_weight": {"pos": 2.0, "ngt": 1.0}}, "'ngt', which is no class"),
        ({"class_weight": {"pos": -2.0}}, "no number"),
        ({"random_state": "today"}, "random_state"),
    ],
)
def test_parameters_that_cannot_be_used(parameters: Any, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        weft.Classifier(**parameters).fit(TEXTS, LABELS)
    assert part in str(caught.value)


def test_a_pair_a_text() -> None:
    model = weft.Classifier("tfidf").fit(TEXTS, LABELS)
    with pytest.raises(InputError, match="differ in number"):
        model.predict(["good", "bad"], ["film"])


# Parameters at work


def test_parameters_reach_the_settings_they_are_named_for(encoder: str) -> None:
    model = weft.Classifier(
        backbone=encoder,
        settings={"recipe": {"max_grad_norm": 0.5, "epochs": 9}},
        r=np.int64(3),
        lora_alpha=6,
        lora_dropout=0.0,
        target_modules=["key"],
        learning_rate=1e-2,
        batch_size=8,
        epochs=2,
        patience=3,
        max_length=24,
        precision="float32",
        weight_decay=0.1,
        validation_fraction=0.25,
    )
    ready = model.prepare(TEXTS, LABELS)
    config = ready.config
    assert (config.lora.r, config.lora.target_modules) == (3, ("key",))
    recipe = config.recipe
    assert (recipe.epochs, recipe.min_steps, recipe.max_grad_norm) == (2, 0, 0.5)
    assert (recipe.learning_rate, recipe.patience, recipe.weight_decay) == (1e-2, 3, 0.1)
    assert (config.backbone.max_length, config.backbone.precision) == (24, "float32")
    assert (len(ready.splits.validation), len(ready.splits.pool)) == (20, 60)
    bitfit = weft.Classifier("bitfit", learning_rate=3e-3).prepare(TEXTS, LABELS).config
    assert bitfit.bitfit.learning_rate == 3e-3


def test_what_a_random_state_decides() -> None:
    def seed(state: Any) -> int:
        return weft.Classifier("tfidf", random_state=state).prepare(TEXTS, LABELS).seed

    assert (seed(3), seed(np.int64(3))) == (3, 3)
    assert seed(None) != seed(None)
    moving = np.random.RandomState(0)
    assert seed(moving) != seed(moving)
    assert seed(np.random.RandomState(0)) == seed(np.random.RandomState(0))


# Weights


def test_weights_of_classes() -> None:
    classes, labels = np.array(["a", "b"], dtype=object), np.array([0, 0, 0, 1])
    balanced = class_weights("balanced", classes, labels, None)
    assert balanced is not None
    assert np.allclose(balanced, [2 / 3, 2 / 3, 2 / 3, 2])
    named = class_weights({"b": 5}, classes, labels, None)
    assert named is not None
    assert np.allclose(named, np.array([1, 1, 1, 5]) / 2)
    # sums are of weights, where there are some: these are even already
    both = class_weights("balanced", classes, labels, np.array([3.0, 3, 3, 9]))
    assert both is not None
    assert np.allclose(both, [2 / 3, 2 / 3, 2 / 3, 2])
    assert class_weights(None, classes, labels, None) is None
    assert class_weights(None, classes, labels, np.full(4, 7.0)) is None


@given(st.lists(st.just(0.0) | st.floats(1e-6, 1e6), min_size=4, max_size=4).filter(any))
def test_weights_are_scaled_to_a_mean_of_one(given_weights: list[float]) -> None:
    weights = weights_of(given_weights, 4)
    classes = np.array(["a", "b"], dtype=object)
    scaled = class_weights(None, classes, np.array([0, 1, 0, 1]), weights)
    if scaled is not None:
        assert scaled[scaled > 0].mean() == pytest.approx(1)
        assert ((scaled > 0) == (np.array(given_weights) > 0)).all()


@pytest.mark.parametrize("method", ["lora", "probe", "tfidf"])
def test_weights_move_the_model_where_they_say(encoder: str, method: Any) -> None:
    texts, y = TEXTS, np.array(CODES)
    parameters: dict[str, Any] = {"epochs": 4, "batch_size": 8, "learning_rate": 1e-2}
    model = weft.Classifier(method, encoder, precision="float32", **parameters)

    def mean(**how: Any) -> float:
        fitted = weft.Classifier(**{**model.get_params(), **how.pop("set", {})})
        rows = fitted.fit(texts, y, **how).predict_proba(texts, calibrated=False)
        return float(rows[:, 1].mean())

    plain = mean()
    assert mean(sample_weight=np.ones(len(y))) == plain
    assert mean(sample_weight=np.where(y == 1, 50, 1)) > plain
    assert mean(set={"class_weight": {0: 50}}) < plain
    assert mean(set={"class_weight": {0: 50}}) == mean(sample_weight=np.where(y == 0, 50, 1))


@pytest.mark.parametrize("method", ["lora", "tfidf"])
def test_a_weight_of_zero_is_as_good_as_gone(encoder: str, method: Any) -> None:
    weights = np.ones(len(TEXTS))
    weights[10:20] = 0
    model = weft.Classifier(method, encoder, epochs=2, batch_size=8, precision="float32")
    kept = [k for k in range(len(TEXTS)) if weights[k]]
    rows = model.fit(TEXTS, LABELS, weights).predict_proba(TEXTS)
    model.fit([TEXTS[k] for k in kept], [LABELS[k] for k in kept])
    assert np.array_equal(model.predict_proba(TEXTS), rows)


def test_a_class_of_no_weight_is_no_class() -> None:
    y = ["odd" if k < 9 else label for k, label in enumerate(LABELS)]
    weights = [0.0 if label == "odd" else 1.0 for label in y]
    model = weft.Classifier("tfidf").fit(TEXTS, y, weights)
    assert list(model.classes_) == ["neg", "pos"]
    with pytest.raises(InputError, match="so one class"):
        model.fit(TEXTS, y, [float(label == "odd") for label in y])


def test_the_score_is_weighted() -> None:
    model = weft.Classifier("tfidf").fit(TEXTS, LABELS)
    wrong = ["neg" if label == "pos" else "pos" for label in LABELS[:1]]
    weights = [3.0] + [1.0] * 9
    assert model.score(TEXTS[:10], wrong + LABELS[1:10], weights) == pytest.approx(9 / 12)


# What lies beside the model


def test_parameters_are_saved_with_it(tmp_path: Path) -> None:
    state = np.random.RandomState(0)
    given_parameters: dict[str, Any] = {"class_weight": {0: 2.0, 1: 1.0}, "random_state": state}
    model = weft.Classifier("tfidf", validation_fraction=0.2, **given_parameters)
    model.fit(TEXTS, CODES).save_pretrained(tmp_path)
    loaded = weft.load(tmp_path)
    assert (loaded.method, loaded.validation_fraction) == ("tfidf", 0.2)
    assert loaded.class_weight == {0: 2.0, 1: 1.0}
    assert loaded.random_state == 0  # a generator is not kept
    again = loaded.fit(TEXTS, CODES)
    assert again is loaded


def test_a_folder_without_them_is_loaded_with_strings(tmp_path: Path) -> None:
    weft.Classifier("tfidf").fit(TEXTS, CODES).save_pretrained(tmp_path)
    (tmp_path / "classifier.json").unlink()
    loaded = weft.load(tmp_path)
    assert loaded.classes_.tolist() == ["0", "1"]
    assert loaded.score(TEXTS, CODES) > 0.95


@pytest.mark.parametrize("damage", ["newer", "cut"])
def test_what_cannot_be_read_of_them_is_refused(tmp_path: Path, damage: str) -> None:
    weft.Classifier("tfidf").fit(TEXTS, CODES).save_pretrained(tmp_path)
    path = tmp_path / "classifier.json"
    if damage == "newer":
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    else:
        path.write_text(path.read_text()[:-9])
    with pytest.raises(AdapterError, match="newer weft" if damage == "newer" else "cannot be read"):
        weft.load(tmp_path)
