"""Tiny models by name, made once and never changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import weft

from .. import tiny

Model = Callable[..., Path]
LABELS = ("bad", "good", "so-so")


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictors choose their number format by the machine; here all machines choose the same."""
    monkeypatch.setattr("weft.nn.backbone.fast_bf16", lambda: False)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """model(method, kind, mean): the folder of a saved model over a tiny encoder."""
    made: dict[tuple[str, str, bool], Path] = {}

    def give(method: str = "lora", kind: str = "bert", mean: bool = False) -> Path:
        key = method, kind, mean
        if key not in made:
            place = tmp_path_factory.mktemp("-".join(map(str, key)))
            encoder = tiny.save(place / "encoder", kind, mean=mean)
            own = {} if method in ("probe", "tfidf") else {"epochs": 2, "learning_rate": 0.02}
            trained = weft.Classifier(method, str(encoder), precision="float32", **own)
            texts = tiny.texts(48, seed=3)
            trained.fit(texts, [LABELS[k % 3] for k in range(48)]).save_pretrained(place / "model")
            made[key] = place / "model"
        return made[key]

    return give
