"""Ladders of scores for the back-test: many small fits per data set, kept as they come.

A ladder is one permutation's test accuracies at growing sizes, the smaller training sets being
prefixes of the larger ones. Four cheap learners make them:

probe   logistic regression on the packaged MiniLM's frozen features, as `weft study` does it
means   nearest class mean on the same features: it has learnt all that it can early
tfidf   logistic regression on TF-IDF of single words
bayes   multinomial naive Bayes on counts of single words

C of the regressions is chosen on validation once per size, on permutation 0, from the C of the size
below and its neighbours, and kept for all permutations.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from weft.config import BackboneSettings, DataSettings, StudyConfig
from weft.data.sizes import sizes_of
from weft.data.sources import load
from weft.data.splits import Splits, split
from weft.methods.logistic import choose

GRID = (0.001, 0.01, 0.1, 1.0, 10.0)


@dataclass(frozen=True)
class Set:
    """A data set and the sizes whose scores are known, or to be forecast."""

    name: str
    known: tuple[int, ...]
    truth: tuple[int, ...]

    def settings(self, data: Path) -> DataSettings:
        """How it is read. data: the folder that holds the sets."""
        if self.name == "demo":
            return DataSettings(source="demo")
        if self.name == "sst2":
            return DataSettings(source="sst2", folder=str(data / "sst2"), validation_size=1000)
        return DataSettings(source=str(data / self.name))


SETS = {
    one.name: one
    for one in (
        Set("sst2", sizes_of("250:8000:6"), (16000, 32000, 56000)),
        Set("trec6", sizes_of("75:1200:5"), (2400, 4800)),
        Set("banking77", sizes_of("140:2250:5"), (4500, 9000)),
        Set("demo", sizes_of("15:240:5"), (480, 960)),
        Set("rte", sizes_of("35:560:5"), (1120, 2240)),
    )
}

Fit = Callable[[Any, float], tuple[float, float]]


class Ladders:
    """The ladders of one learner on one data set, in a JSON file that grows.

    Args:
        name: of the set.
        method: `probe`, `means`, `tfidf` or `bayes`.
        data: the folder that holds the sets.
        cache: where features and scores are kept.
    """

    def __init__(self, name: str, method: str, data: Path, cache: Path) -> None:
        self.set, self.method = SETS[name], method
        self._data, self._cache = data, cache
        self._path = cache / f"{name}-{method}.json"
        kept: dict[str, Any] = {"c": {}, "scores": {}}
        if self._path.is_file():
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        self.c = {int(size): float(c) for size, c in kept["c"].items()}
        self.scores = {
            int(permutation): {int(size): float(score) for size, score in row.items()}
            for permutation, row in kept["scores"].items()
        }

    def make(self, permutations: int, until: float) -> bool:
        """Makes what is missing, size by size; False where time ran out.

        until: on the clock of `time.monotonic`.
        """
        sizes = (*self.set.known, *self.set.truth)
        for permutation in range(permutations):
            row = self.scores.setdefault(permutation, {})
            missing = [size for size in sizes if size not in row]
            for size in missing:
                if time.monotonic() > until:
                    return False
                row[size] = self._score(permutation, size)
            if missing:
                self._write()
        return True

    def _write(self) -> None:
        kept = {
            "set": self.set.name,
            "method": self.method,
            "tested": len(self._splits.test),
            "validation": len(self._splits.validation),
            "data": self._hashes,
            "c": self.c,
            "scores": {key: row for key, row in self.scores.items() if row},
        }
        self._cache.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        part.replace(self._path)

    def _score(self, permutation: int, size: int) -> float:
        index = self._splits.order(permutation)[:size]
        if self.method == "bayes":
            return _bayes(self._counts, self._splits, index)
        if self.method == "means":
            return _means(self._of_features(index), self._splits, index)
        parts = self._of_features(index) if self.method == "probe" else self._of_words(index)
        train, validation, test = parts
        splits = self._splits
        if size not in self.c:
            below = [self.c[other] for other in sorted(self.c) if other < size]
            grid = _near(below[-1]) if below else GRID
        else:
            grid = (self.c[size],)
        fit = choose(
            train,
            splits.pool.labels[index],
            validation,
            splits.validation.labels,
            self._classes,
            grid,
        )
        self.c[size] = fit.c
        return float((fit.probabilities(test).argmax(axis=1) == splits.test.labels).mean())

    def _of_features(self, index: Any) -> tuple[Any, Any, Any]:
        """Standardised by what is trained on, as the probe does."""
        pool, validation, test = self._features
        train = pool[index]
        center, scale = train.mean(0), train.std(0) + 1e-6
        return tuple((part - center) / scale for part in (train, validation, test))  # type: ignore

    def _of_words(self, index: Any) -> tuple[Any, Any, Any]:
        """TF-IDF over the words that the training set holds."""
        from sklearn.feature_extraction.text import TfidfTransformer

        seen = np.flatnonzero(np.asarray(self._counts[0][index].sum(axis=0)).ravel())
        pool, validation, test = (part[:, seen] for part in self._counts)
        weigh = TfidfTransformer(sublinear_tf=True).fit(pool[index])
        return weigh.transform(pool[index]), weigh.transform(validation), weigh.transform(test)

    @cached_property
    def _opened(self) -> tuple[Any, Splits]:
        data = load(self.set.settings(self._data))
        return data, split(data, self.set.settings(self._data), self.set.truth)

    @property
    def _splits(self) -> Splits:
        return self._opened[1]

    @property
    def _hashes(self) -> dict[str, str]:
        return self._opened[0].hashes

    @property
    def _classes(self) -> int:
        return len(self._opened[0].label_names)

    @cached_property
    def _counts(self) -> tuple[Any, Any, Any]:
        """Words of pool, validation and test, (B, words) each."""
        from sklearn.feature_extraction.text import CountVectorizer

        from weft.methods.tfidf import documents

        splits = self._splits
        count = CountVectorizer().fit(documents(splits.pool))
        parts = (splits.pool, splits.validation, splits.test)
        return tuple(count.transform(documents(part)).tocsr() for part in parts)  # type: ignore

    @cached_property
    def _features(self) -> tuple[Any, Any, Any]:
        """The encoder's pooled features of pool, validation and test, (B, H) each."""
        from safetensors.numpy import load_file, save_file

        names = ("pool", "validation", "test")
        path = self._cache / f"{self.set.name}-features.safetensors"
        if not path.is_file():
            self._cache.mkdir(parents=True, exist_ok=True)
            parts = dict(zip(names, _encoded(self._opened, self.set, self._data), strict=True))
            save_file(parts, path)
        kept = load_file(path)
        return kept["pool"], kept["validation"], kept["test"]


def _near(c: float) -> tuple[float, ...]:
    place = GRID.index(c)
    return GRID[max(0, place - 1) : place + 2]


def _bayes(counts: tuple[Any, Any, Any], splits: Splits, index: Any) -> float:
    from sklearn.naive_bayes import MultinomialNB

    model = MultinomialNB().fit(counts[0][index], splits.pool.labels[index])
    return float((model.predict(counts[2]) == splits.test.labels).mean())


def _means(parts: tuple[Any, Any, Any], splits: Splits, index: Any) -> float:
    train, _, test = parts
    labels = splits.pool.labels[index]
    classes = np.unique(labels)
    means = np.stack([train[labels == one].mean(0) for one in classes])  # (C, H)
    nearness = test @ means.T - (means**2).sum(1) / 2
    return float((classes[nearness.argmax(axis=1)] == splits.test.labels).mean())


def _encoded(opened: tuple[Any, Splits], one: Set, data: Path) -> list[Any]:
    from weft.methods.base import Materials
    from weft.methods.probe import features
    from weft.nn.bank import Bank
    from weft.nn.source import find

    config = StudyConfig(
        data=one.settings(data), backbone=BackboneSettings(name="minilm", precision="float32")
    )
    labelled, splits = opened
    source = find(config.backbone)
    materials = Materials(config, splits, labelled.label_names, labelled.positive, source)
    bank = Bank(materials.backbone(), config.lora, slots=1, trains=False)
    parts = (materials.pool, materials.validation, materials.test)
    return [features(bank, part) for part in parts]
