"""`weft.search` and `weft.cross_validate` beside scikit-learn's, over the same classifier."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn import model_selection as theirs
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from tests import tiny
from tests.cli.command import reviews

import weft
from weft.errors import ConfigError, DataError, StudyError, TrainingError
from weft.methods import together
from weft.nn.bank import Bank

ROWS = reviews(72, noise=0.0)
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]
CLOSE: dict[str, float] = {"rtol": 0, "atol": 1e-5}  # of probabilities and losses, in float32


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save(tmp_path_factory.mktemp("encoder") / "tiny", "bert"))


def model(encoder: str, method: Any = "lora", **more: Any) -> weft.Classifier:
    quick: dict[str, Any] = {"epochs": 2, "batch_size": 8, "precision": "float32", **more}
    return weft.Classifier(method, encoder, **quick)


@pytest.fixture
def banks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Any]]:
    """Slots and update of every bank that trains many fits, in the order they are made."""
    made: list[tuple[int, Any]] = []

    class Counted(Bank):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            made.append((self.slots, self.update))

    monkeypatch.setattr(together, "Bank", Counted)
    return made


def assert_same_table(ours: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same columns in the same order, and the same values but for the times."""
    assert list(ours) == list(expected)
    assert ours["params"] == expected["params"]
    for name, column in expected.items():
        if name.endswith("_time"):
            assert (ours[name] >= 0).all()
        elif name.startswith("param_"):
            assert ours[name].tolist() == column.tolist()
            assert np.ma.getmaskarray(ours[name]).tolist() == np.ma.getmaskarray(column).tolist()
        elif name.startswith("rank_"):
            assert ours[name].tolist() == column.tolist()
            assert ours[name].dtype == column.dtype
        elif name != "params":
            assert np.allclose(ours[name], column, **CLOSE), name


# Search


GRIDS: dict[str, Any] = {
    "rates": {"learning_rate": [1e-4, 3e-3, 1e-2]},
    "adapters": {
        "r": [1, 4],
        "lora_alpha": [2, 16],
        "lora_dropout": [0.0, 0.4],
        "target_modules": [("query",), ("key", "value")],
    },
    "recipes": [
        {"epochs": [1, 3], "batch_size": [4, 16]},
        {"weight_decay": [0.1], "patience": [1], "class_weight": ["balanced", {"pos": 3.0}]},
        {"validation_fraction": [0.2, 0.3], "random_state": [1]},
    ],
    "texts": {"max_length": [6, 24], "learning_rate": [1e-2]},
}


@pytest.mark.parametrize("name", GRIDS)
def test_it_finds_what_a_grid_search_finds(encoder: str, name: str) -> None:
    how: dict[str, Any] = {"cv": 3, "scoring": "neg_log_loss", "return_train_score": True}
    ours = weft.search(model(encoder), GRIDS[name], TEXTS, LABELS, **how)
    expected = theirs.GridSearchCV(model(encoder), GRIDS[name], **how).fit(TEXTS, LABELS)
    assert_same_table(ours.cv_results_, expected.cv_results_)
    assert (ours.best_index_, ours.best_params_) == (expected.best_index_, expected.best_params_)
    assert ours.best_score_ == pytest.approx(expected.best_score_, abs=1e-5)
    assert ours.n_splits_ == expected.n_splits_
    rows = expected.predict_proba(TEXTS)
    assert np.array_equal(ours.predict_proba(TEXTS), rows)  # both are fitted alone
    assert ours.predict(TEXTS).tolist() == expected.predict(TEXTS).tolist()
    assert ours.score(TEXTS, LABELS) == pytest.approx(expected.score(TEXTS, LABELS), abs=1e-9)
    assert list(ours.classes_) == ["neg", "pos"]


@pytest.mark.parametrize("method", ["bitfit", "probe", "tfidf"])
def test_of_the_other_methods_too(encoder: str, method: str, banks: list[Any]) -> None:
    grid = {"class_weight": [None, {"pos": 3.0}], "learning_rate": [1e-3, 1e-2]}
    how: dict[str, Any] = {"cv": 2, "scoring": "neg_log_loss"}
    ours = weft.search(model(encoder, method), grid, TEXTS, LABELS, **how)
    expected = theirs.GridSearchCV(model(encoder, method), grid, **how).fit(TEXTS, LABELS)
    assert_same_table(ours.cv_results_, expected.cv_results_)
    assert ours.best_index_ == expected.best_index_
    assert [update for _, update in banks] == (["biases"] if method == "bitfit" else [])


def test_candidates_share_a_bank_where_they_can(encoder: str, banks: list[Any]) -> None:
    weft.search(model(encoder), GRIDS["adapters"], TEXTS, LABELS, cv=3, refit=False)
    ((slots, update),) = banks
    assert slots == 6  # of 16 candidates on 3 folds
    assert (update.r, update.target_modules) == (4, ("key", "query", "value"))
    banks.clear()
    more = {"settings": [{"bank": {"slots": 64}}], "max_length": [6, 24]}
    weft.search(model(encoder), more, TEXTS, LABELS, cv=3, refit=False)
    assert [slots for slots, _ in banks] == [3, 3]  # texts of another length are another bank's
    banks.clear()
    grid = {"method": ["lora", "bitfit", "tfidf"]}
    weft.search(model(encoder), grid, TEXTS, LABELS, cv=2, refit=False)
    assert [slots for slots, _ in banks] == [2, 2]


def test_several_scores(encoder: str) -> None:
    grid, scoring = {"learning_rate": [1e-4, 1e-2]}, ["accuracy", "roc_auc"]
    how: dict[str, Any] = {"cv": 2, "scoring": scoring, "refit": "roc_auc"}
    ours = weft.search(model(encoder), grid, TEXTS, LABELS, **how)
    expected = theirs.GridSearchCV(model(encoder), grid, **how).fit(TEXTS, LABELS)
    assert_same_table(ours.cv_results_, expected.cv_results_)
    assert ours.multimetric_
    assert ours.best_params_ == expected.best_params_
    with pytest.raises(StudyError, match="several scores"):
        ours.score(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="none is named that chooses"):
        weft.search(model(encoder), grid, TEXTS, LABELS, scoring=scoring)


def test_who_chooses() -> None:
    tfidf, grid = weft.Classifier("tfidf"), {"class_weight": [None, "balanced", {"pos": 9.0}]}
    chosen = weft.search(tfidf, grid, TEXTS, LABELS, cv=2, refit=lambda _: 2)
    assert (chosen.best_index_, chosen.best_score_) == (2, None)
    assert chosen.best_estimator_ is not None
    assert chosen.best_estimator_.class_weight == {"pos": 9.0}
    nobody = weft.search(tfidf, grid, TEXTS, LABELS, cv=2, refit=False)
    assert nobody.best_estimator_ is None
    assert nobody.best_params_ is not None
    with pytest.raises(StudyError, match="kept no model"):
        nobody.predict(TEXTS)


def test_candidates_drawn_at_random(encoder: str) -> None:
    drawn = theirs.ParameterSampler(
        {"learning_rate": loguniform(1e-4, 1e-2), "r": [1, 2]}, n_iter=3, random_state=0
    )
    found = weft.search(model(encoder), drawn, TEXTS, LABELS, cv=2, refit=False)
    assert found.cv_results_["params"] == list(drawn)


def test_a_search_is_pickled(encoder: str) -> None:
    found = weft.search(model(encoder), {"r": [1]}, TEXTS, LABELS, cv=2)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.predict_proba(TEXTS), found.predict_proba(TEXTS))
    assert again.best_params_ == {"r": 1}


# Cross-validation


@pytest.mark.parametrize("method", ["lora", "bitfit", "tfidf"])
def test_it_gives_what_scikit_learn_gives(encoder: str, method: str) -> None:
    how: dict[str, Any] = {
        "cv": theirs.ShuffleSplit(3, random_state=0),
        "scoring": {"acc": "accuracy", "loss": "neg_log_loss"},
        "return_train_score": True,
        "return_indices": True,
    }
    one = model(encoder, method)
    ours = weft.cross_validate(one, np.array(TEXTS), np.array(LABELS), **how)
    expected = theirs.cross_validate(one, np.array(TEXTS), np.array(LABELS), **how)
    assert list(ours) == list(expected)
    for part in ("train", "test"):
        for a, b in zip(ours["indices"][part], expected["indices"][part], strict=True):
            assert np.array_equal(a, b)
        for score in ("acc", "loss"):
            found = ours[f"{part}_{score}"], expected[f"{part}_{score}"]
            assert np.allclose(*found, **CLOSE)


def test_its_models_are_whole(encoder: str, tmp_path: Path) -> None:
    found = weft.cross_validate(model(encoder), TEXTS, LABELS, cv=2, return_estimator=True)
    expected = theirs.cross_validate(model(encoder), TEXTS, LABELS, cv=2, return_estimator=True)
    for number, one in enumerate(found["estimator"]):
        rows = one.predict_proba(TEXTS)
        assert np.allclose(rows, expected["estimator"][number].predict_proba(TEXTS), **CLOSE)
        one.save_pretrained(tmp_path / str(number))
        assert np.allclose(weft.load(tmp_path / str(number)).predict_proba(TEXTS), rows, **CLOSE)
        assert np.allclose(pickle.loads(pickle.dumps(one)).predict_proba(TEXTS), rows, **CLOSE)
    first, second = (one.predict_proba(TEXTS) for one in found["estimator"])
    assert not np.allclose(first, second, atol=1e-3)  # each keeps its own weights


def test_a_smaller_adapter_of_a_bank_is_saved_as_its_own(encoder: str, tmp_path: Path) -> None:
    grid = [{"r": [2], "target_modules": [("value",)], "lora_alpha": [1]}, {"r": [8]}]
    kept: list[Any] = []

    def keep(one: Any, texts: Any, labels: Any) -> float:
        kept.append(one)
        return float(one.score(texts, labels))

    weft.search(model(encoder), grid, TEXTS, LABELS, cv=2, refit=False, scoring=keep)
    small, large = kept[0], kept[2]
    small.save_pretrained(tmp_path)
    loaded = weft.load(tmp_path)
    assert loaded.r == 2
    assert loaded.prepare(TEXTS, LABELS).config.lora.target_modules == ("value",)
    assert np.allclose(loaded.predict_proba(TEXTS), small.predict_proba(TEXTS), **CLOSE)
    rows = large.predict_proba(TEXTS)
    small.predict_proba(TEXTS)
    assert np.array_equal(large.predict_proba(TEXTS), rows)


def test_sample_weights_go_to_their_examples() -> None:
    weights = np.linspace(0, 4, len(TEXTS))
    how: dict[str, Any] = {"cv": 3, "scoring": "neg_log_loss", "params": {"sample_weight": weights}}
    ours = weft.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS, **how)
    expected = theirs.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS, **how)
    assert np.allclose(ours["test_score"], expected["test_score"], **CLOSE)
    with pytest.raises(ConfigError, match="no such parameter"):
        weft.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS, params={"seed": 3})


def test_groups_stay_together() -> None:
    groups = [k % 6 for k in range(len(TEXTS))]
    how: dict[str, Any] = {"groups": groups, "cv": theirs.GroupKFold(3), "return_indices": True}
    found = weft.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS, **how)
    for train, test in zip(found["indices"]["train"], found["indices"]["test"], strict=True):
        assert not {groups[k] for k in train} & {groups[k] for k in test}


# What fails


def test_a_candidate_that_breaks_scores_nothing_and_its_neighbours_go_on(encoder: str) -> None:
    grid = {"learning_rate": [1e30, 1e-3]}
    with pytest.warns(FitFailedWarning, match="2 of 4 fits failed"):
        found = weft.search(model(encoder), grid, TEXTS, LABELS, cv=2)
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [True, False]
    assert found.cv_results_["rank_test_score"].tolist() == [2, 1]
    assert found.best_params_ == {"learning_rate": 1e-3}
    with pytest.raises(TrainingError, match="2 of 4 fits failed"):
        weft.search(model(encoder), grid, TEXTS, LABELS, cv=2, error_score="raise")
    with pytest.raises(TrainingError, match="2 of 2 fits failed"):
        weft.search(model(encoder), {"learning_rate": [1e30]}, TEXTS, LABELS, cv=2)


def test_a_score_that_fails() -> None:
    def broken(*_: Any) -> float:
        raise RuntimeError("no score today")

    how: dict[str, Any] = {"cv": 2, "scoring": broken}
    with pytest.warns(UserWarning, match="no score today"):
        found = weft.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS, **how)
    assert np.isnan(found["test_score"]).all()
    with pytest.raises(RuntimeError, match="no score today"):
        weft.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS, **how, error_score="raise")


@pytest.mark.parametrize(
    ("grid", "part"),
    [
        ({"rank": [2]}, "rank"),
        ({"r": [0]}, "lora.r"),
        ({"target_modules": [("query",), ("nowhere",)]}, "nowhere"),
        ({"r": 3}, "no grid"),
        ([], "no candidate"),
        (7, "no grid"),
    ],
)
def test_a_grid_that_cannot_be_used(encoder: str, grid: Any, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        weft.search(model(encoder), grid, TEXTS, LABELS, cv=2)
    assert part in str(caught.value)
    assert caught.value.remedy


def test_what_else_cannot_be_used() -> None:
    pipeline = make_pipeline(weft.Classifier("tfidf"))
    with pytest.raises(ConfigError, match="GridSearchCV"):
        weft.search(pipeline, {}, TEXTS, LABELS)
    with pytest.raises(DataError, match="differ in number"):
        weft.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS[1:])
    with pytest.raises(DataError, match="put a single text in a list"):
        weft.cross_validate(weft.Classifier("tfidf"), "a text", LABELS)
    with pytest.raises(ConfigError, match="error_score"):
        weft.cross_validate(weft.Classifier("tfidf"), TEXTS, LABELS, error_score="none")
