"""The real sets, read in place: their published sizes, classes and protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from weft.config import DataSettings
from weft.data.sources import LabelledText
from weft.data.splits import split

Read = Callable[..., LabelledText]


def test_sst2_is_the_published_protocol(shared: Path, read: Read) -> None:
    data = read("sst2", folder=str(shared / "sst2"))
    assert data.hashes == {
        "train.tsv": "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
        "dev.tsv": "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
    }
    assert np.bincount(data.train.labels).tolist() == [29780, 37569]
    assert np.bincount(data.test.labels).tolist() == [428, 444]
    assert data.test.texts[0] == "it 's a charming and often affecting journey ."
    splits = split(data, DataSettings(source="sst2"), (1000, 8000, 56000))
    assert np.bincount(splits.validation.labels).tolist() == [500, 500]
    assert len(splits.pool) == 66349
    for seed in (0, 1):
        order = splits.order(seed)
        for size in (1000, 8000, 56000):
            assert np.bincount(splits.pool.labels[order[:size]]).tolist() == [size // 2] * 2
    assert splits.notes == (
        "Validation: 1,000 examples drawn from train before all else, balanced.",
    )


def test_trec6(shared: Path, read: Read) -> None:
    data = read(shared / "trec6")
    assert data.name == "trec6"
    assert data.label_names == ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
    assert data.positive is None
    assert (len(data.train), len(data.test)) == (5452, 500)
    splits = split(data, DataSettings(), None)
    assert (len(splits.validation), len(splits.pool)) == (545, 4907)
    assert splits.balance == "stratified"


def test_banking77(shared: Path, read: Read) -> None:
    data = read(shared / "banking77")
    assert len(data.label_names) == 77
    assert (len(data.train), len(data.test)) == (10003, 3080)
    assert any("\n" in text for text in data.train.texts)
    assert any("'category'" in note for note in data.notes)
    splits = split(data, DataSettings(balance="strict"), None)
    per_class = np.bincount(splits.train(splits.available, 0).labels)
    assert per_class.max() - per_class.min() <= 1


def test_rte(shared: Path, read: Read) -> None:
    data = read(shared / "rte")
    assert (len(data.train), len(data.test)) == (2490, 277)
    assert data.train.pairs is not None
    assert data.test.pairs is not None
    assert data.test.pairs[0] == "Christopher Reeve had an accident."
    assert data.label_names == ("entailment", "not_entailment")
    assert data.positive == 0
    assert any("'entailment'" in note and "negation" in note for note in data.notes)
    assert any("dev.tsv is the test set" in note for note in data.notes)
