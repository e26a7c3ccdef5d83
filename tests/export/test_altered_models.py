"""Saved models that were cut, altered or put together of two: refused in words before use."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import weft
from weft.errors import AdapterError, WeftError

from ..tiny import Checkpoint, save, texts

Edit = Callable[[Path], object]
SLOW = partial(pytest.param, marks=pytest.mark.slow)
"""Of a table of refusals, those that others of it make likely."""
KINDS = ("lora-cls", "lora-mean", "bitfit-cls", "full-cls", "full-mean", "probe-cls", "tfidf-cls")
WEIGHTS = {
    "lora-cls": ("adapter_model.safetensors",),
    "lora-mean": ("adapter_model.safetensors", "head.safetensors"),
    "bitfit-cls": ("bitfit.safetensors",),
    "full-cls": ("model.safetensors",),
    "full-mean": ("model.safetensors", "head.safetensors"),
    "probe-cls": ("probe.safetensors",),
    "tfidf-cls": ("tfidf.safetensors",),
}
EVERY = [(kind, name) for kind, names in WEIGHTS.items() for name in names]


@pytest.fixture(scope="module")
def models(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small model of every method, as `weft train` saves it."""
    folder, made = tmp_path_factory.mktemp("models"), dict[str, Path]()
    given = texts(24, longest=6)
    for kind in KINDS:
        method, pooling = kind.split("-")
        model = weft.Classifier(
            method, str(checkpoint("bert")), pooling=pooling, precision="float32", epochs=1
        )
        model.fit([f"the plot {text}" for text in given], [0, 1] * 12)
        model.save_pretrained(folder / kind)
        made[kind] = folder / kind
    return made


@pytest.fixture
def altered(models: dict[str, Path], tmp_path: Path) -> Callable[[str, Edit], Path]:
    """altered(kind, edit): a copy of a model, edited."""

    def make(kind: str, edit: Edit) -> Path:
        place = tmp_path / "model"
        shutil.copytree(models[kind], place)
        edit(place)
        return place

    return make


def refused(folder: Path, *parts: str) -> WeftError:
    """Loading fails in words, and without a prediction."""
    with pytest.raises(WeftError) as caught:
        weft.load(folder)
    for part in parts:
        assert part in str(caught.value), f"{part!r} not in:\n{caught.value}"
    assert caught.value.remedy
    return caught.value


def card(name: str, **values: object) -> Edit:
    """Sets values in a JSON file; `a__b` is b in a."""

    def edit(folder: Path) -> None:
        whole: dict[str, Any] = json.loads((folder / name).read_text())
        for place, value in values.items():
            *above, leaf = place.split("__")
            below = whole
            for part in above:
                below = below[part]
            below[leaf] = value
        (folder / name).write_text(json.dumps(whole))

    return edit


def weights(name: str, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Edit:
    """Changes the tensors of a file."""

    def edit(folder: Path) -> None:
        save_file(change(load_file(folder / name)), folder / name, metadata={"format": "pt"})

    return edit


def test_unaltered_models_are_loaded(models: dict[str, Path]) -> None:
    for kind, folder in models.items():
        model = weft.load(folder)
        assert model.classes_.tolist() == [0, 1], kind
        rows = model.predict_proba(["the plot is good"])
        assert rows.sum() == pytest.approx(1.0)


# Cards


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"labels": ["a", "b", "c"]}, []),
        ({"labels": ["a"]}, ["labels are no two or more"]),
        ({"labels": ["a", "a"]}, ["labels are no two or more"]),
        ({"positive": 2}, ["positive is 2"]),
        ({"positive": -1}, ["positive is -1"]),
        ({"schema_version": 99}, ["newer weft", "schema 99", "upgrade"]),
        ({"schema_version": 0}, ["schema_version is 0"]),
        ({"schema_version": "2"}, ["schema_version is '2'"]),
        ({"schema_version": True}, ["schema_version is True"]),
        ({"method": "svm"}, ["method"]),
        ({"more": 1}, ["more"]),
    ],
)
def test_a_card_that_describes_no_such_model(
    altered: Callable[[str, Edit], Path], kind: str, values: dict[str, object], parts: list[str]
) -> None:
    refused(altered(kind, card("weft.json", **values)), *parts)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "tfidf-cls"])
@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"backbone": None}, ["without an encoder"]),
        ({"backbone__max_length": 0}, ["max_length"]),
        ({"backbone__max_length": 10**12}, ["max_length"]),
        ({"backbone__max_length": 301}, ["position limit is 300"]),
        ({"backbone__pooling": "max"}, ["pooling"]),
    ],
)
def test_a_card_that_describes_no_such_encoder(
    altered: Callable[[str, Edit], Path], kind: str, values: dict[str, object], parts: list[str]
) -> None:
    refused(altered(kind, card("weft.json", **values)), *parts)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "[" * 100_000, '{"schema_version": 2}'])
def test_a_card_that_is_none(altered: Callable[[str, Edit], Path], text: str) -> None:
    refused(altered("tfidf-cls", lambda at: (at / "weft.json").write_text(text)), "weft.json")


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"schema_version": 9, "unknown": 1}, ["newer weft"]),
        ({"labels": "bool"}, ["kind bool"]),
        ({"labels": "complex"}, ["labels"]),
        ({"class_weight": [[[1], 2.0]]}, ["class_weight"]),
    ],
)
def test_manners_that_are_none(
    altered: Callable[[str, Edit], Path], values: dict[str, object], parts: list[str]
) -> None:
    refused(altered("tfidf-cls", card("classifier.json", **values)), "classifier.json", *parts)


# Weights


@pytest.mark.parametrize(("kind", "name"), EVERY)
@pytest.mark.parametrize("share", [0.0, SLOW(0.01), SLOW(0.5), 0.999])
def test_weights_that_were_cut(
    altered: Callable[[str, Edit], Path], kind: str, name: str, share: float
) -> None:
    def cut(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(share * len(whole))])

    refused(altered(kind, cut))


@pytest.mark.parametrize(("kind", "name"), EVERY)
@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {name: tensor * float("nan") for name, tensor in tensors.items()},
        SLOW(lambda tensors: {name: tensor + float("inf") for name, tensor in tensors.items()}),
        lambda tensors: {name: tensor.to(torch.int32) for name, tensor in tensors.items()},
        lambda tensors: dict(sorted(tensors.items())[1:]),
        SLOW(lambda tensors: {name: tensor.reshape(-1) for name, tensor in tensors.items()}),
        SLOW(lambda tensors: {name: tensor[:1].clone() for name, tensor in tensors.items()}),
        lambda _: {},
    ],
    ids=["nan", "infinite", "integers", "one-less", "flat", "one-row", "none"],
)
def test_weights_that_are_not_the_models(
    altered: Callable[[str, Edit], Path],
    kind: str,
    name: str,
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
) -> None:
    refused(altered(kind, weights(name, change)))


@pytest.mark.parametrize("words", ["[]", "{}", "null", "{", '{"plot": -1}', '{"plot": "x"}'])
def test_a_vocabulary_that_is_anothers(altered: Callable[[str, Edit], Path], words: str) -> None:
    refused(altered("tfidf-cls", lambda at: (at / "vocabulary.json").write_text(words)), "damaged")


@pytest.mark.parametrize("kind", ["lora-cls", "lora-mean"])
@pytest.mark.parametrize("own", [True, False], ids=["ours", "peft's"])
@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"r": 2}, ["rank 2"]),
        ({"r": 10**9}, ["adapter_config.json"]),
        ({"r": -1}, ["adapter_config.json"]),
        ({"lora_alpha": -1}, ["adapter_config.json"]),
        ({"lora_dropout": 7}, ["adapter_config.json"]),
        ({"target_modules": [5]}, ["adapter_config.json"]),
        ({"target_modules": ["key"]}, ["does not fit"]),
    ],
)
def test_an_adapter_that_is_not_its_configs(
    altered: Callable[[str, Edit], Path],
    kind: str,
    own: bool,
    values: dict[str, object],
    parts: list[str],
) -> None:
    def edit(folder: Path) -> None:
        card("adapter_config.json", **values)(folder)
        if not own:
            (folder / "weft.json").unlink()

    refused(altered(kind, edit), *parts)


@pytest.mark.parametrize("base", ["", None, "../../elsewhere", "a/../../b", "/no/such/encoder"])
def test_an_adapter_whose_encoder_is_nowhere(
    altered: Callable[[str, Edit], Path], base: object
) -> None:
    def edit(folder: Path) -> None:
        card("adapter_config.json", base_model_name_or_path=base)(folder)
        (folder / "weft.json").unlink()

    refused(altered("lora-cls", edit))


def test_the_wrong_encoder_is_refused_before_it_is_loaded(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("its weights were loaded")

    other = save(tmp_path / "other", "bert", seed=9)
    monkeypatch.setattr("weft.methods.predictor.load", loaded)
    for kind in ("lora-cls", "lora-mean", "bitfit-cls", "probe-cls"):
        with pytest.raises(AdapterError, match="other weights"):
            weft.load(models[kind], backbone=str(other))


class Bomb:
    """Leaves a mark when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_nothing_is_unpickled(
    altered: Callable[[str, Edit], Path], kind: str, name: str, tmp_path: Path
) -> None:
    mark = tmp_path / "unpickled"
    bomb = pickle.dumps(Bomb(mark))
    others = (
        "adapter_model.bin",
        "pytorch_model.bin",
        "head.bin",
        "model.pkl",
        "training_args.bin",
    )

    def edit(folder: Path) -> None:
        for other in others:
            (folder / other).write_bytes(bomb)
        (folder / name).write_bytes(bomb)  # a pickle by the name of what is none

    refused(altered(kind, edit))
    assert not mark.exists()


def test_a_whole_model_whose_config_is_anothers(altered: Callable[[str, Edit], Path]) -> None:
    def layers(folder: Path) -> None:
        card("config.json", num_hidden_layers=1)(folder)

    refused(altered("full-cls", layers), "more layers")
