"""TF-IDF and logistic regression: what a classifier gets without any encoder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
    save_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
)

from weft.data.examples import Examples
from weft.errors import AdapterError
from weft.export import card
from weft.methods.base import NOTHING, Before, Done, Item, Materials, MethodEvent
from weft.methods.logistic import Linear, choose, linear_of, penalties
from weft.training.events import RunBegin, RunFailed

WEIGHTS, VOCABULARY = "tfidf.safetensors", "vocabulary.json"


class Tfidf:
    """One vectoriser and one logistic regression an item."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials

    def run(self, items: Sequence[Item], before: Before = NOTHING) -> Iterator[MethodEvent]:
        """Words and pairs of words; C is chosen by validation loss."""
        del before  # each item stands by itself
        materials, splits = self._materials, self._materials.splits
        validation, test = documents(splits.validation), documents(splits.test)
        for item in items:
            yield RunBegin(item.run_id)
            began = time.perf_counter()
            train = splits.train(item.size, item.seed)
            vectoriser = _vectoriser()
            try:
                matrix = vectoriser.fit_transform(documents(train))
            except ValueError:  # no word in any text
                yield RunFailed(
                    item.run_id,
                    "TF-IDF counts words of two letters or more, and there is none in any of the "
                    f"{item.size:,} training texts: leave tfidf out of the methods",
                )
                continue
            seen, unseen = vectoriser.transform(validation), vectoriser.transform(test)
            fit = choose(
                matrix,
                train.labels,
                seen,
                splits.validation.labels,
                len(materials.labels),
                penalties(item),
                weights=train.weights,
                validation_weights=splits.validation.weights,
            )
            seconds = time.perf_counter() - began
            yield Done(
                run_id=item.run_id,
                validation=fit.probabilities(seen),
                held_out=fit.held_out,
                test=fit.probabilities(unseen),
                trainable=fit.parameters,
                total=fit.parameters,
                epochs=0,
                best_epoch=0,
                seconds=seconds,
                examples_per_second=item.size / seconds,
                save=partial(self._save, vectoriser, fit),
                extra={**fit.facts},
            )

    def _save(self, vectoriser: Any, fit: Linear, folder: Path) -> None:
        tensors = {
            "weight": fit.weight.astype(np.float32),
            "bias": fit.bias.astype(np.float32),
            "idf": np.asarray(vectoriser.idf_, dtype=np.float64),
        }
        save_file(tensors, folder / WEIGHTS, metadata={"format": "np"})
        words = {word: int(place) for word, place in vectoriser.vocabulary_.items()}
        text = json.dumps(words, ensure_ascii=False, sort_keys=True)
        (folder / VOCABULARY).write_text(text + "\n", encoding="utf-8")
        card.write(
            folder,
            card.ModelCard(
                method="tfidf",
                labels=self._materials.labels,
                positive=self._materials.positive,
                backbone=None,
            ),
        )


def documents(examples: Examples) -> list[str]:
    """One document an example; the texts of a pair are joined."""
    if examples.pairs is None:
        return list(examples.texts)
    return [f"{a} {b}" for a, b in zip(examples.texts, examples.pairs, strict=True)]


def read_model(folder: Path) -> tuple[Any, Linear]:
    """The vectoriser and the classifier saved in a folder.

    Raises:
        AdapterError: a file is missing or damaged.
    """
    try:
        tensors = load_file(folder / WEIGHTS)
        words: Any = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        linear, idf = linear_of(tensors), tensors["idf"]
        if idf.shape != linear.weight.shape[1:] or not np.isfinite(idf).all():
            raise ValueError(f"idf of shape {idf.shape} for a weight of {linear.weight.shape}")
        if sorted(words.values()) != list(range(len(idf))):
            raise ValueError(f"{VOCABULARY} does not number the {len(idf)} words of the weights")
        vectoriser = _vectoriser()
        vectoriser.vocabulary = words
        vectoriser.idf_ = idf
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),  # of what is no mapping
        *(RecursionError, SafetensorError),
    ) as error:
        raise AdapterError(
            f"the TF-IDF model in {folder} is damaged", found=str(error), remedy="train it again"
        ) from error
    return vectoriser, linear


def _vectoriser() -> Any:
    from sklearn.feature_extraction import text  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    return cast("Any", text).TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
