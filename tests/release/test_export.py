"""What leaves is loaded by others in a fresh process, and computes what the model computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from huggingface_hub import ModelCard

import weft
from weft.errors import AdapterError, ConfigError, DataError
from weft.release import certificate, fresh
from weft.release.export import Wanted, export
from weft.release.usage import Target

from .. import tiny
from .conftest import LABELS, Model


def exported(model: Path, target: Target, out: Path, **more: object) -> certificate.Certificate:
    return export(Wanted(model, target, out, out.name, **more))


def held(made: certificate.Certificate) -> None:
    """The certificate passes, and not because nothing was compared."""
    (first, *_) = made.comparisons
    assert made.passed, certificate.sentence(made)
    assert first.beside == "weft in float32"
    assert made.texts >= 256
    assert made.largest_logit > 0.05
    assert first.label_agreement >= 0.99
    assert first.largest_logit_difference < 1e-4 * max(1, made.largest_logit)


def test_onnx_of_a_model_that_pools_by_the_mean(model: Model, tmp_path: Path) -> None:
    made = exported(model(mean=True), "onnx", tmp_path / "out", licence="mit")
    held(made)
    assert set(made.loaded_by) == {"onnxruntime", "tokenizers"}
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "mit"
    assert card.data.library_name == "onnx"
    written = json.loads((tmp_path / "out" / "certificate.json").read_text(encoding="utf-8"))
    assert written["files"]["model.onnx"] in card.text
    assert "import onnxruntime" in card.text
    session = onnxruntime.InferenceSession(
        str(tmp_path / "out" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    for count, tokens in ((1, 3), (5, 60)):
        ids = np.full((count, tokens), 7, dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        (logits,) = session.run(None, given | {"token_type_ids": np.zeros_like(ids)})
        assert logits.shape == (count, 3)


@pytest.mark.slow
def test_int8_is_smaller_and_says_its_own_tolerance(model: Model, tmp_path: Path) -> None:
    exported(model(), "onnx", tmp_path / "whole")
    made = exported(model(), "onnx", tmp_path / "small", int8=True)
    size = [(tmp_path / name / "model.onnx").stat().st_size for name in ("small", "whole")]
    assert size[0] < 0.8 * size[1], "and a graph of so few weights is mostly names"
    assert made.int8
    assert made.tolerance == certificate.INT8
    assert made.comparisons[0].largest_logit_difference > 1e-4  # which float32 would not be let off


def test_merged_is_loaded_where_neither_weft_nor_peft_is(model: Model, tmp_path: Path) -> None:
    made = exported(model(), "merged", tmp_path / "out")
    held(made)
    assert made.absent == ["weft", "peft"]
    assert set(made.loaded_by) == {"transformers", "torch"}
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == dict(zip("012", LABELS, strict=True))
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert "trust_remote_code" not in card.text
    for path in (tmp_path / "out").glob("*.json"):
        assert str(tmp_path.parent) not in path.read_text(encoding="utf-8"), path.name


def test_what_cannot_be_imported_cannot_be_used() -> None:
    with pytest.raises(weft.errors.TrainingError, match="cannot be loaded by transformers"):
        fresh.answer("merged", "import peft\n", LABELS, ["good"], None)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["peft", "merged", "onnx"])
@pytest.mark.parametrize(
    ("method", "kind", "mean"),
    [
        ("lora", "bert", False),
        ("lora", "roberta", False),
        ("lora", "distilbert", True),
        ("lora", "electra", False),
        ("bitfit", "bert", False),
        ("full", "bert", True),
        ("full", "distilbert", False),
        ("probe", "bert", True),
    ],
)
def test_every_method_and_encoder(
    model: Model, tmp_path: Path, method: str, kind: str, mean: bool, target: Target
) -> None:
    saved = model(method, kind, mean)
    if target == "peft" and method != "lora":
        with pytest.raises(AdapterError, match="no adapter") as refused:
            exported(saved, target, tmp_path / "out")
        assert "--to merged" in refused.value.remedy
        return
    held(exported(saved, target, tmp_path / "out"))
    if target == "peft":  # ours again: labels and temperature travelled with it
        texts = tiny.texts(20, seed=8)
        again, before = weft.load(tmp_path / "out"), weft.load(saved)
        np.testing.assert_allclose(again.predict_proba(texts), before.predict_proba(texts))
        assert list(again.classes_) == list(LABELS)


@pytest.mark.slow
def test_the_merged_models_own_probabilities_are_calibrated(model: Model, tmp_path: Path) -> None:
    saved = tmp_path / "model"
    weft.load(model(mean=True)).save_pretrained(saved)
    card = json.loads((saved / "weft.json").read_text(encoding="utf-8"))
    card["calibration"]["temperature"] = 2.5
    (saved / "weft.json").write_text(json.dumps(card), encoding="utf-8")
    made = exported(saved, "merged", tmp_path / "out")
    held(made)
    assert made.temperature == 2.5
    from transformers import pipeline

    texts = tiny.texts(5, seed=1)
    classify = pipeline("text-classification", str(tmp_path / "out"), trust_remote_code=True)
    rows = [{one["label"]: one["score"] for one in row} for row in classify(texts, top_k=None)]
    theirs = [[row[label] for label in LABELS] for row in rows]
    np.testing.assert_allclose(theirs, weft.load(saved).predict_proba(texts), atol=1e-5)


# What fails


def test_an_export_that_computes_something_else_fails(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.release import targets

    true = targets.whole

    def off(parts: object) -> object:
        backbone = true(parts)
        backbone.model.classifier.bias.data[0] += 0.01
        return backbone

    monkeypatch.setattr(targets, "whole", off)
    made = exported(model(), "onnx", tmp_path / "out")
    assert not made.passed
    assert made.comparisons[0].largest_logit_difference == pytest.approx(0.01, rel=0.1)
    assert "FAILED" in certificate.sentence(made)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("logits", "passed"), [(1e-5, True), (2e-3, False), (float("nan"), False)])
def test_tolerance_is_a_share_of_the_largest_logit(logits: float, passed: bool) -> None:
    found = certificate.Comparison(
        beside="", largest_logit_difference=logits, mean_logit_difference=0, label_agreement=1
    )
    assert certificate.keeps(found, certificate.FLOAT, 10.0) is passed
    worse = found.model_copy(update={"label_agreement": 0.9})
    assert not certificate.keeps(worse, certificate.FLOAT, 10.0)
    assert not certificate.keeps(worse, certificate.INT8, 10.0)


def test_words_alone_have_no_encoder(model: Model, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="counts words") as refused:
        exported(model("tfidf"), "onnx", tmp_path / "out")
    assert "STUDY:RUN" in refused.value.remedy


def test_a_probe_on_first_tokens_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="probe on first tokens"):
        exported(model("probe"), "merged", tmp_path / "out")


def test_int8_is_for_onnx_alone(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--int8"):
        exported(model(), "merged", tmp_path / "out", int8=True)


def test_a_folder_with_something_else_is_left_alone(model: Model, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it", encoding="utf-8")
    with pytest.raises(ConfigError, match="neither empty") as refused:
        exported(model(), "onnx", tmp_path)
    assert "--out" in refused.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_given_texts_are_read_and_filled_up(model: Model, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("\n".join(tiny.texts(10)), encoding="utf-8")
    made = exported(model(), "onnx", tmp_path / "out", texts=tmp_path / "own.txt")
    assert made.source == "10 given, 246 demo reviews"
    assert made.texts == 256
    with pytest.raises(DataError):
        exported(model(), "onnx", tmp_path / "out", texts=tmp_path / "none.txt")


def test_too_few_pairs_are_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\ngood,bad\n", encoding="utf-8")
    pairs = {"texts": tmp_path / "own.csv", "text": "a", "text_pair": "b"}
    with pytest.raises(DataError, match="too few pairs"):
        exported(model(), "onnx", tmp_path / "out", **pairs)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["peft", "merged", "onnx"])
def test_pairs(model: Model, tmp_path: Path, target: Target) -> None:
    first, second = tiny.texts(256, seed=4), tiny.texts(256, seed=5)
    lines = ["a,b", *(f"{one},{other}" for one, other in zip(first, second, strict=True))]
    (tmp_path / "own.csv").write_text("\n".join(lines), encoding="utf-8")
    pairs = {"texts": tmp_path / "own.csv", "text": "a", "text_pair": "b"}
    held(exported(model(), target, tmp_path / "out", **pairs))
