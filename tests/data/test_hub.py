"""Hub sets, with the library's own data sets in memory in place of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import pytest

from weft.data.sources import LabelledText
from weft.errors import DataError

Read = Callable[..., LabelledText]
Refused = Callable[..., DataError]
Serve = Callable[..., list[tuple[Any, ...]]]


def in_memory(labels: list[int], prefix: str, names: list[str]) -> datasets.Dataset:
    columns = {"sentence": [f"{prefix} {i} " for i in range(len(labels))], "label": labels}
    columns["idx"] = list(range(len(labels)))
    features = datasets.Features(
        {
            "sentence": datasets.Value("string"),
            "label": datasets.ClassLabel(names=names),
            "idx": datasets.Value("int32"),
        }
    )
    return datasets.Dataset.from_dict(columns, features=features)


SST2 = ["negative", "positive"]


def glue_sst2() -> datasets.DatasetDict:
    return datasets.DatasetDict(
        {
            "train": in_memory([0, 1] * 30, "train", SST2),
            "validation": in_memory([1, 0, 1], "validation", SST2),
            "test": in_memory([-1] * 4, "test", SST2),
        }
    )


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """serve(answer): load_dataset gives it, or raises it; returns the calls made."""

    def stand_in(answer: object) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []

        def load_dataset(*args: object) -> object:
            calls.append(args)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return calls

    return stand_in


def test_sst2(read: Read, serve: Serve) -> None:
    answer = glue_sst2()
    answer["test"] = in_memory([0, 1], "never used, labelled or not", SST2)
    calls = serve(answer)
    data = read("sst2")
    assert calls == [("nyu-mll/glue", "sst2")]
    assert (data.name, data.label_names, data.positive) == ("sst2", ("negative", "positive"), 1)
    assert data.validation is None
    assert data.test.texts == ("validation 0", "validation 1", "validation 2")
    assert data.test.labels.tolist() == [1, 0, 1]
    assert set(data.hashes) == {"train", "validation"}
    assert all(len(value) == 64 for value in data.hashes.values())


def test_hashes_follow_texts_and_labels(read: Read, serve: Serve) -> None:
    serve(glue_sst2())
    before = read("sst2").hashes
    assert read("sst2").hashes == before
    changed = glue_sst2()
    changed["train"] = in_memory([1, 0] * 30, "train", SST2)
    serve(changed)
    after = read("sst2").hashes
    assert after["train"] != before["train"]
    assert after["validation"] == before["validation"]


@pytest.mark.parametrize(
    ("source", "call", "name"),
    [
        ("nyu-mll/glue/sst2", ("nyu-mll/glue", "sst2"), "glue-sst2"),
        ("some.one/My_Set", ("some.one/My_Set", None), "my_set"),
    ],
)
def test_by_name(read: Read, serve: Serve, source: str, call: tuple[str, ...], name: str) -> None:
    calls = serve(glue_sst2())
    data = read(source)
    assert calls == [call]
    assert data.name == name
    assert len(data.test) == 3
    assert any("split test has no labels" in note for note in data.notes)
    assert source in data.origin


def test_classes_keep_their_own_order(read: Read, serve: Serve) -> None:
    names = ["zero", "never", "alpha", "mid"]
    serve(
        datasets.DatasetDict(
            {
                "train": in_memory([3, 2, 0] * 10, "train", names),
                "test": in_memory([0, 2], "test", names),
            }
        )
    )
    data = read("a/b")
    assert data.label_names == ("zero", "alpha", "mid")
    assert data.train.labels.tolist()[:3] == [2, 1, 0]
    assert data.test.labels.tolist() == [0, 1]


def test_an_unknown_label_in_train_names_the_row(refused: Refused, serve: Serve) -> None:
    serve(datasets.DatasetDict({"train": in_memory([0, 1, -1], "t", ["a", "b"])}))
    refused("a/b", "a/b, split train, row 3", "missing")


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (ConnectionError("Couldn't reach the Hub"), ["cannot be loaded", "ConnectionError"]),
        (FileNotFoundError("Dataset 'a/b' doesn't exist"), ["cannot be loaded", "doesn't exist"]),
        (RuntimeError(""), ["cannot be loaded", "RuntimeError"]),
    ],
)
def test_a_hub_out_of_reach(
    refused: Refused, serve: Serve, answer: Exception, parts: list[str]
) -> None:
    serve(answer)
    remedies = ["local files", "HF_HUB_OFFLINE", "HF_HOME", "HF_TOKEN"]
    error = refused("a/b", "a/b", *parts, *remedies)
    assert error.__cause__ is answer


def test_a_configuration_to_choose(refused: Refused, serve: Serve) -> None:
    serve(ValueError("Config name is missing.\nPlease pick one among: ['cola', 'sst2']"))
    refused("nyu-mll/glue", "another configuration", "'cola', 'sst2'", "owner/name/config")


def test_a_set_without_splits_to_train_on(refused: Refused, serve: Serve) -> None:
    serve(datasets.DatasetDict({"test": in_memory([0, 1], "t", ["a", "b"])}))
    refused("a/b", "no training split", "test")
    serve(datasets.Dataset.from_dict({"text": ["a"]}))
    refused("a/b", "no splits", "Dataset")
