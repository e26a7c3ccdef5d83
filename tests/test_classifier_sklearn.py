"""`weft.Classifier` among scikit-learn's own: estimator checks, pipelines, searches, pickles."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data
from tests import tiny
from tests.cli.command import reviews

import weft

ROWS = reviews(80, noise=0.0)
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save(tmp_path_factory.mktemp("encoder") / "tiny", "bert"))


def lora(encoder: str, **more: Any) -> weft.Classifier:
    quick: dict[str, Any] = {"epochs": 2, "batch_size": 8, "precision": "float32", **more}
    return weft.Classifier(backbone=encoder, **quick)


# Estimator checks


class Numbers(weft.Classifier):
    """Says that it takes tables of numbers, so that every check is tried on it. It does not."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False
        return tags


class Spelt(Numbers):
    """Spells a table's rows out as texts, a word a number, so that the checks' data mean something
    to it. Nothing else is changed."""

    def _spelt(self, table: Any, *, reset: bool = False) -> list[str]:
        rows = validate_data(self, table, reset=reset)
        return [
            " ".join(tiny._WORDS[(5 * k + place) % len(tiny._WORDS)] for k, place in enumerate(row))
            for row in np.clip(np.rint(2 * rows), -4, 4).astype(int)
        ]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:  # noqa: N803
        return super().fit(self._spelt(X, reset=True), y, sample_weight)

    def predict_proba(self, X: Any, pairs: Any = None, *, calibrated: bool = True) -> Any:  # noqa: N803
        check_is_fitted(self)
        return super().predict_proba(self._spelt(X), pairs, calibrated=calibrated)


TABLE = "hands over a table of numbers, and a text is wanted: refused with the remedy"
SPARSE = "wants a sparse table to be refused for being sparse; it is refused for being a table"
NOT_NUMBERS = "wants numbers refused for a fault of theirs; they are refused for being numbers"
ONLY_NUMBERS = {
    **dict.fromkeys(
        [
            *("check_fit_score_takes_y", "check_estimators_overwrite_params"),
            *("check_dont_overwrite_parameters", "check_estimators_fit_returns_self"),
            *("check_readonly_memmap_input", "check_n_features_in_after_fitting"),
            *("check_positive_only_tag_during_fit", "check_estimators_dtypes"),
            *("check_sample_weights_pandas_series", "check_sample_weights_not_an_array"),
            *("check_sample_weights_list", "check_sample_weights_shape"),
            *("check_sample_weights_not_overwritten", "check_dtype_object"),
            *("check_sample_weight_equivalence_on_dense_data", "check_pipeline_consistency"),
            *("check_estimators_pickle", "check_f_contiguous_array_estimator"),
            *("check_classifier_data_not_an_array", "check_classifiers_classes"),
            *("check_classifiers_train", "check_supervised_y_2d"),
            *("check_class_weight_classifiers", "check_methods_sample_order_invariance"),
            *("check_methods_subset_invariance", "check_dict_unchanged"),
            *("check_fit_idempotent", "check_fit_check_is_fitted"),
            *("check_n_features_in", "check_fit2d_predict1d"),
        ],
        TABLE,
    ),
    **dict.fromkeys(
        [
            *("check_estimator_sparse_tag", "check_estimator_sparse_array"),
            "check_estimator_sparse_matrix",
        ],
        SPARSE,
    ),
    **dict.fromkeys(
        [
            *("check_all_zero_sample_weights_error", "check_complex_data"),
            *("check_estimators_empty_data_messages", "check_estimators_nan_inf"),
            *("check_classifiers_one_label", "check_classifiers_one_label_sample_weights"),
            *("check_classifiers_regression_target", "check_fit2d_1sample"),
            *("check_fit2d_1feature", "check_requires_y_none"),
        ],
        NOT_NUMBERS,
    ),
}
REPEATS = {
    "check_sample_weight_equivalence_on_dense_data": "an example of weight 2 counts twice, but it "
    "is drawn as one: two examples in its place are split, and put in batches, in another way"
}


@parametrize_with_checks(
    [Numbers(method="tfidf")],
    expected_failed_checks=lambda _: ONLY_NUMBERS,
    xfail_strict=True,
)
def test_every_check_but_those_that_hand_over_numbers(estimator: Any, check: Any) -> None:
    check(estimator)


@parametrize_with_checks(
    [Spelt(method="tfidf")], expected_failed_checks=lambda _: REPEATS, xfail_strict=True
)
def test_those_checks_too_where_the_numbers_are_spelt_out(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "probe"])
def test_an_encoder_bears_the_same_checks(encoder: str, method: Any) -> None:
    model = Spelt(method, encoder, epochs=6, batch_size=8, learning_rate=1e-2, precision="float32")
    done = check_estimator(model, expected_failed_checks=REPEATS, on_skip=None)
    assert sum(row["status"] == "passed" for row in done) >= 60


def test_it_says_what_it_is() -> None:
    tags = weft.Classifier().__sklearn_tags__()
    assert is_classifier(weft.Classifier())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.target_tags.required


# Parameters


def test_parameters_are_got_set_and_cloned() -> None:
    model = weft.Classifier("lora", "there", {"recipe": {"max_grad_norm": 2.0}}, r=4)
    given = model.get_params()
    assert (given["r"], given["backbone"], given["learning_rate"]) == (4, "there", None)
    assert clone(model).get_params() == given
    assert model.set_params(r=2, epochs=3) is model
    assert (model.r, model.epochs) == (2, 3)
    with pytest.raises(ValueError, match="Invalid parameter 'rank'"):
        model.set_params(rank=2)


def test_a_clone_is_not_fitted() -> None:
    model = weft.Classifier("tfidf").fit(TEXTS, LABELS)
    other = clone(model)
    assert not hasattr(other, "classes_")
    check_is_fitted(model)
    assert hasattr(model, "classes_")


# Tools


def test_pipeline() -> None:
    def lowered(texts: Any) -> Any:
        return [text.lower() for text in texts]

    model = make_pipeline(FunctionTransformer(lowered), weft.Classifier("tfidf"))
    model.fit([text.upper() for text in TEXTS], LABELS)
    assert model.score(TEXTS, LABELS) > 0.95
    assert list(model.classes_) == ["neg", "pos"]


def test_cross_validation() -> None:
    scores = cross_val_score(weft.Classifier("tfidf"), TEXTS, LABELS, cv=4)
    assert scores.shape == (4,)
    assert scores.mean() > 0.9
    rows = cross_val_predict(
        weft.Classifier("tfidf"), np.array(TEXTS), LABELS, cv=4, method="predict_proba"
    )
    assert rows.shape == (len(TEXTS), 2)
    assert np.allclose(rows.sum(1), 1)


def test_cross_validation_of_an_encoder_and_by_processes(encoder: str) -> None:
    scoring = "neg_log_loss"
    alone = cross_val_score(lora(encoder), TEXTS, LABELS, cv=2, scoring=scoring)
    assert np.isfinite(alone).all()
    again = cross_val_score(lora(encoder), TEXTS, LABELS, cv=2, scoring=scoring)
    assert np.array_equal(alone, again)


def test_grid_search(encoder: str) -> None:
    grid = {"learning_rate": [1e-6, 1e-2], "r": np.array([2])}
    model = lora(encoder, epochs=8)
    found = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss").fit(TEXTS, LABELS)
    assert found.best_params_["learning_rate"] == 1e-2
    assert found.predict(TEXTS[:3]).shape == (3,)


def test_calibrated_by_scikit_learn() -> None:
    model = CalibratedClassifierCV(weft.Classifier("tfidf"), cv=3).fit(TEXTS, LABELS)
    rows = model.predict_proba(TEXTS)
    assert rows.shape == (len(TEXTS), 2)
    assert (model.classes_[rows.argmax(1)] == np.array(LABELS)).mean() > 0.9
    ready = FrozenEstimator(weft.Classifier("tfidf").fit(TEXTS[:60], LABELS[:60]))
    later = CalibratedClassifierCV(ready).fit(TEXTS[60:], LABELS[60:])
    assert later.predict(TEXTS[:3]).shape == (3,)


# Keeping


@pytest.mark.parametrize("method", ["lora", "probe", "tfidf"])
def test_pickled_copied_and_dumped_it_is_the_same(
    encoder: str, tmp_path: Path, method: Any
) -> None:
    model = lora(encoder, method=method).fit(TEXTS, [label == "pos" for label in LABELS])
    rows = model.predict_proba(TEXTS[:9])
    kept = pickle.dumps(model)
    joblib.dump(model, tmp_path / "model.joblib")
    twins = [pickle.loads(kept), copy.deepcopy(model), joblib.load(tmp_path / "model.joblib")]
    for twin in twins:
        assert np.array_equal(twin.predict_proba(TEXTS[:9]), rows)
        assert twin.classes_.tolist() == [False, True]
        assert twin.get_params() == model.get_params()
        twin.save_pretrained(tmp_path / "again")
    assert np.array_equal(weft.load(tmp_path / "again").predict_proba(TEXTS[:9]), rows)


def test_an_untrained_one_is_pickled_too() -> None:
    model = pickle.loads(pickle.dumps(weft.Classifier("tfidf", r=3)))
    assert model.r == 3
    assert not hasattr(model, "classes_")
    assert "r=3" in repr(model)


def test_a_pickle_holds_no_path_and_needs_no_folder(encoder: str) -> None:
    model = lora(encoder).fit(TEXTS, LABELS)
    assert model._model is not None
    folder = model._model.folder
    stream = io.BytesIO()
    pickle.dump(model, stream)
    assert str(folder).encode() not in stream.getvalue()
