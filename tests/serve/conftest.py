"""Adapters over one tiny encoder: other classes, ranks, targets and methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import weft
from weft.serve.deck import Deck, open_deck

from .. import tiny
from ..browser import browser

__all__ = ["browser"]  # a fixture
WANTED: dict[str, dict[str, Any]] = {
    "two": {"classes": 2, "r": 2},
    "three": {"classes": 3, "r": 4, "lora_alpha": 3.0},
    "four": {"classes": 4, "r": 3, "target_modules": ["query"]},
    "words": {"classes": 3, "method": "tfidf"},
    "probe": {"classes": 3, "method": "probe"},
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By name, the folder of a saved model."""
    place = tmp_path_factory.mktemp("models")
    tiny.save(place / "tiny", "bert")
    folders: dict[str, Path] = {}
    for number, (name, wanted) in enumerate(WANTED.items()):
        own = dict(wanted)
        classes, method = own.pop("classes"), own.pop("method", "lora")
        texts = tiny.texts(24, seed=number)
        labels = [f"class {k % classes}" for k in range(24)]
        common = {"precision": "float32", "learning_rate": 0.05, "epochs": 2}
        model = weft.Classifier(method, str(place / "tiny"), **common, **own).fit(texts, labels)
        folders[name] = place / name
        model.save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="session")
def deck(models: dict[str, Path]) -> Deck:
    return open_deck([f"{name}={folder}" for name, folder in models.items()])
