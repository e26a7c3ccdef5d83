"""`weft.Classifier`: fit, predict, save and load in scikit-learn's manner."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny
from tests.cli.command import reviews

import weft
from weft.errors import AdapterError, ConfigError, DataError, StudyError, TrainingError

ROWS = reviews(100, noise=0.0)
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]
METHODS = ("lora", "probe", "tfidf")
QUICK: dict[str, Any] = {
    "recipe": {"epochs": 2, "batch_size": 8},
    "backbone": {"precision": "float32"},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save(tmp_path_factory.mktemp("encoder") / "tiny", "bert"))


@pytest.fixture(scope="module")
def fitted(encoder: str) -> dict[str, weft.Classifier]:
    return {
        method: weft.Classifier(method=method, backbone=encoder, settings=QUICK).fit(TEXTS, LABELS)
        for method in METHODS
    }


def test_what_did_not_converge_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.exceptions import ConvergenceWarning

    monkeypatch.setattr("weft.methods.logistic.ITERATIONS", 1)
    with pytest.warns(ConvergenceWarning, match="did not converge at C="):
        weft.Classifier(method="tfidf").fit(TEXTS, LABELS)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_are_a_row_a_text_and_sum_to_one(
    fitted: dict[str, weft.Classifier], method: str
) -> None:
    model = fitted[method]
    assert model.method == method
    assert list(model.classes_) == ["neg", "pos"]
    rows = model.predict_proba(TEXTS[:7])
    assert rows.shape == (7, 2)
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-12)
    assert (rows >= 0).all()
    assert list(model.predict(TEXTS[:7])) == [["neg", "pos"][k] for k in rows.argmax(1)]


@pytest.mark.parametrize("method", METHODS)
def test_no_text_gives_no_row(fitted: dict[str, weft.Classifier], method: str) -> None:
    assert fitted[method].predict_proba([]).shape == (0, 2)
    assert len(fitted[method].predict([])) == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_text_reads_the_same_whatever_its_company(
    fitted: dict[str, weft.Classifier], method: str
) -> None:
    model = fitted[method]
    together = model.predict_proba(TEXTS[:20])
    alone = np.concatenate([model.predict_proba([text]) for text in TEXTS[:20]])
    assert np.allclose(together, alone, atol=1e-5)


def test_words_that_tell_are_learnt(fitted: dict[str, weft.Classifier]) -> None:
    assert fitted["tfidf"].score(TEXTS, LABELS) > 0.95
    assert list(fitted["tfidf"].predict(["loved it", "hated it"])) == ["pos", "neg"]


@pytest.mark.parametrize("method", METHODS)
def test_the_score_is_the_accuracy(fitted: dict[str, weft.Classifier], method: str) -> None:
    model = fitted[method]
    right = sum(a == b for a, b in zip(model.predict(TEXTS), LABELS, strict=True))
    assert model.score(TEXTS, LABELS) == pytest.approx(right / len(TEXTS))


@pytest.mark.parametrize("method", METHODS)
def test_saved_and_loaded_it_is_the_same(
    fitted: dict[str, weft.Classifier], tmp_path: Path, method: str
) -> None:
    fitted[method].save_pretrained(tmp_path / "out")
    loaded = weft.load(tmp_path / "out")
    assert (loaded.method, list(loaded.classes_)) == (method, ["neg", "pos"])
    assert np.array_equal(loaded.predict_proba(TEXTS[:9]), fitted[method].predict_proba(TEXTS[:9]))
    loaded.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "weft.json").is_file()


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides_and_nothing_else(encoder: str, method: str) -> None:
    def rows(seed: int) -> Any:
        model = weft.Classifier(method=method, backbone=encoder, settings=QUICK)
        return model.fit(TEXTS, LABELS, seed=seed).predict_proba(TEXTS[:9])

    first = rows(0)
    assert np.array_equal(rows(0), first)
    if method == "lora":
        assert not np.array_equal(rows(1), first)


def test_it_is_fitted_anew(fitted: dict[str, weft.Classifier], encoder: str) -> None:
    model = weft.Classifier(method="tfidf", backbone=encoder)
    other = {"neg": "yes", "pos": "no"}
    model.fit(TEXTS, [other[label] for label in LABELS])
    assert list(model.classes_) == ["no", "yes"]
    model.fit(TEXTS, LABELS)
    assert np.array_equal(model.predict_proba(TEXTS), fitted["tfidf"].predict_proba(TEXTS))


def test_nothing_is_left_and_nothing_is_said_when_it_goes(encoder: str) -> None:
    """Warnings are errors here: a temporary folder that cleans up after itself would be one."""
    model = weft.Classifier(method="tfidf", backbone=encoder).fit(TEXTS, LABELS)
    assert model._model is not None
    folder = model._model.folder
    assert folder is not None
    assert folder.is_dir()
    del model
    gc.collect()
    assert not folder.exists()


def test_integer_labels(encoder: str) -> None:
    y = [7 if label == "pos" else 3 for label in LABELS]
    model = weft.Classifier(method="tfidf", backbone=encoder).fit(TEXTS, y)
    assert [str(name) for name in model.classes_] == ["3", "7"]
    assert model.score(TEXTS, y) > 0.95


def test_more_classes_than_two(encoder: str) -> None:
    texts = [f"{word} film {k}" for k in range(20) for word in ("good", "bad", "dull")]
    y = [text.split()[0] for text in texts]
    for method in ("probe", "tfidf"):
        model = weft.Classifier(method=method, backbone=encoder, settings=QUICK).fit(texts, y)
        assert list(model.classes_) == ["bad", "dull", "good"]
        assert model.predict_proba(texts).shape == (60, 3)


# Refused


def test_before_fit_there_is_nothing(tmp_path: Path) -> None:
    model = weft.Classifier()
    for use in (
        lambda: model.predict(["good"]),
        lambda: model.classes_,
        lambda: model.save_pretrained(tmp_path / "out"),
    ):
        with pytest.raises(StudyError, match="not trained yet"):
            use()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("texts", "labels", "part"),
    [
        (["good", "bad"], ["pos"], "2, 1"),
        (["good", "bad"], ["pos", "pos"], "only one label"),
        (["good", " "], ["pos", "neg"], "text 1 is blank"),
        (["", "bad"], ["pos", "neg"], "text 0 is blank"),
        (["good", None], ["pos", "neg"], "text 1"),
        ([], [], "label"),
    ],
)
def test_labelled_texts_that_cannot_be_used(texts: Any, labels: Any, part: str) -> None:
    with pytest.raises(DataError) as caught:
        weft.Classifier(method="tfidf").fit(texts, labels)
    assert part in str(caught.value)
    assert caught.value.remedy


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(ConfigError, match="did you mean epochs"):
        weft.Classifier(method="tfidf", settings={"recipe": {"epoch": 1}}).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="'lora', 'probe' or 'tfidf'"):
        weft.Classifier(method="svm").fit(TEXTS, LABELS)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_training_that_fails(encoder: str, epochs: int) -> None:
    settings = {"recipe": {"learning_rate": 1e30, "epochs": epochs, "batch_size": 128}}
    model = weft.Classifier(method="lora", backbone=encoder, settings=settings)
    with pytest.raises(TrainingError):
        model.fit(TEXTS, LABELS)


def test_a_failed_fit_leaves_no_half_model(encoder: str) -> None:
    model = weft.Classifier(method="tfidf", backbone=encoder).fit(TEXTS, LABELS)
    rows = model.predict_proba(TEXTS[:3])
    with pytest.raises(DataError):
        model.fit(["good"], ["pos", "neg"])
    assert np.array_equal(model.predict_proba(TEXTS[:3]), rows)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    for name in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AdapterError):
            weft.load(name)


def test_a_newer_or_damaged_card_is_refused(
    fitted: dict[str, weft.Classifier], tmp_path: Path
) -> None:
    fitted["tfidf"].save_pretrained(tmp_path)
    card = tmp_path / "weft.json"
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace('"schema_version": 2', '"schema_version": 3'), encoding="utf-8")
    with pytest.raises(AdapterError, match="newer weft"):
        weft.load(tmp_path)
    card.write_text(text[:-20], encoding="utf-8")
    with pytest.raises(AdapterError, match="cannot be read"):
        weft.load(tmp_path)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("lora", "adapter_model.safetensors"),
        ("lora", "adapter_config.json"),
        ("probe", "probe.safetensors"),
        ("tfidf", "tfidf.safetensors"),
        ("tfidf", "vocabulary.json"),
    ],
)
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_model_is_refused(
    fitted: dict[str, weft.Classifier], tmp_path: Path, method: str, name: str, damage: str
) -> None:
    fitted[method].save_pretrained(tmp_path)
    path = tmp_path / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(AdapterError) as caught:
        weft.load(tmp_path)
    assert caught.value.remedy
