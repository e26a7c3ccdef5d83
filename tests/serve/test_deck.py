"""A server's adapters answer as each does by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import weft
from weft.errors import AdapterError
from weft.serve.deck import Deck, open_deck

from .. import tiny


def test_adapters_over_one_encoder_share_it(deck: Deck) -> None:
    engines = [deck.adapters[name].engine for name in ("two", "three", "four")]
    assert engines[0] is engines[1] is engines[2]
    assert deck.adapters["words"].engine is not engines[0]
    assert deck.encoders == 1
    assert deck.default == "two"


def test_together_they_answer_as_each_alone(deck: Deck, models: dict[str, Path]) -> None:
    texts = {name: tiny.texts(5 + k, seed=90 + k) for k, name in enumerate(models)}
    ours = [deck.adapters[name] for name in ("two", "three", "four")]
    parts = [(one.place, one.engine.read(texts[one.name])) for one in ours]
    parts = [*parts, (ours[0].place, ours[0].engine.read(texts["words"]))]
    found = ours[0].engine.compute(parts)
    for one, rows in zip(ours, found, strict=False):
        alone = weft.load(models[one.name]).predict_proba(texts[one.name])
        assert rows.shape == alone.shape
        np.testing.assert_allclose(rows, alone, atol=2e-6)
    alone = weft.load(models["two"]).predict_proba(texts["words"])
    np.testing.assert_allclose(found[3], alone, atol=2e-6)


def test_a_model_that_reads_texts_itself(deck: Deck, models: dict[str, Path]) -> None:
    one, texts = deck.adapters["words"], tiny.texts(4, seed=5)
    (first, second) = one.engine.compute([(0, one.engine.read(t)) for t in (texts[:1], texts[1:])])
    alone = weft.load(models["words"]).predict_proba(texts)
    np.testing.assert_allclose(np.concatenate([first, second]), alone)


def test_a_probe_reads_the_encoder_of_the_adapters(deck: Deck, models: dict[str, Path]) -> None:
    texts = tiny.texts(4, seed=6)
    alone = weft.load(models["probe"]).predict_proba(texts)
    by_itself = open_deck([f"{name}={models['probe']}" for name in ("one", "other")])
    assert by_itself.encoders == 1
    for place, name in ((deck, "probe"), (by_itself, "other")):
        one = place.adapters[name]
        (rows,) = one.engine.compute([(one.place, one.engine.read(texts))])
        np.testing.assert_allclose(rows, alone, atol=2e-6)


def test_two_models_of_one_name_are_refused(models: dict[str, Path]) -> None:
    with pytest.raises(AdapterError, match="two models are called two") as refused:
        open_deck([str(models["two"]), f"two={models['three']}"])
    assert "NAME=MODEL" in refused.value.remedy


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="no folder"):
        open_deck([str(tmp_path / "nothing")])


def test_another_encoder_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    tiny.save(tmp_path / "other", "bert", seed=77)
    with pytest.raises(AdapterError, match="other weights"):
        open_deck([str(models["two"]), str(models["three"])], str(tmp_path / "other"))
