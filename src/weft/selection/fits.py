"""Classifiers on parts of one data set, trained together where their method allows it.

LoRA and BitFit runs over one encoder share a bank; a probe, TF-IDF and full fine-tuning are fitted
one after the other, as `fit` does it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.classifier import Classifier
from weft.config import BackboneSettings, BankSettings
from weft.data.given import column, texts_of, weights_of
from weft.errors import ConfigError, InputError, TrainingError
from weft.study.fitting import Ready

if TYPE_CHECKING:
    from weft.methods.base import Materials
    from weft.methods.together import Task, Together

Places = NDArray[np.int64]  # (any,) which examples


@dataclass(frozen=True)
class Given:
    """A whole data set as the caller gave it, as lists."""

    texts: list[str]
    y: list[Any]
    weights: NDArray[np.float64] | None  # (B,)

    @classmethod
    def of(cls, texts: object, y: object, sample_weight: object) -> Given:
        """Reads the columns.

        Raises:
            InputError: they are no columns, or differ in length.
        """
        rows = texts_of(texts)
        labels = column(y, "label")
        if len(labels) != len(rows):
            raise InputError(
                "texts and labels differ in number",
                found=f"{len(rows)}, {len(labels)}",
                remedy="give one label a text, in the same order",
            )
        return cls(rows, labels, weights_of(sample_weight, len(rows)))

    def take(self, places: Places) -> tuple[list[str], list[Any], NDArray[np.float64] | None]:
        """Texts, labels and weights at these places."""
        at = cast("list[int]", places.tolist())
        weights = None if self.weights is None else self.weights[places]
        return [self.texts[k] for k in at], [self.y[k] for k in at], weights


@dataclass(frozen=True)
class Fit:
    """One classifier on one part of the data."""

    model: Classifier
    seconds: float
    """Of training: a bank's time shared out equally among its runs."""
    failure: str | None = None
    """Why it could not be trained; None: it was."""


@dataclass(frozen=True)
class _Group:
    """What runs of one bank have in common."""

    method: str
    backbone: BackboneSettings
    bank: BankSettings
    names: tuple[str, ...]


def fit_all(models: Sequence[Classifier], given: Given, parts: Sequence[Places]) -> list[list[Fit]]:
    """Fits every model on every part of the data, by model and then by part.

    Settings and data of all of them are checked before the first one trains.

    Args:
        models: not trained; each is cloned for each part.
        parts: the places that train.

    Raises:
        ConfigError: a parameter cannot be used.
        DataError: a part of the data cannot be trained on.
    """
    from sklearn import base  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    fits: dict[tuple[int, int], Fit] = {}
    groups: dict[_Group, list[tuple[int, int]]] = {}
    ready: dict[tuple[int, int], Ready] = {}
    copies: dict[tuple[int, int], Classifier] = {}
    for row, model in enumerate(models):
        for part, places in enumerate(parts):
            place = row, part
            copies[place] = cast("Classifier", cast(Any, base).clone(model))
            ready[place] = copies[place].prepare(*given.take(places))
            config = ready[place].config
            if model.method in ("lora", "bitfit"):
                group = _Group(model.method, config.backbone, config.bank, ready[place].names)
                groups.setdefault(group, []).append(place)
    for group, places in groups.items():
        fits |= _in_one_bank(group, places, copies, ready)
    for (row, part), model in copies.items():
        if (row, part) not in fits:
            fits[row, part] = _alone(model, given, parts[part], ready[row, part].seed)
    return [[fits[row, part] for part in range(len(parts))] for row in range(len(models))]


def _in_one_bank(
    group: _Group,
    places: Sequence[tuple[int, int]],
    copies: dict[tuple[int, int], Classifier],
    ready: dict[tuple[int, int], Ready],
) -> dict[tuple[int, int], Fit]:
    from weft.methods.together import Made, train_together
    from weft.nn.source import find

    began = time.perf_counter()
    source = find(group.backbone)
    shared: dict[tuple[object, ...], Materials] = {}
    tasks: list[Task] = []
    for place in places:
        tasks.append(_task(place, copies[place], ready[place], source, shared))
    made = train_together(cast("Together", group.method), tasks)
    seconds = (time.perf_counter() - began) / len(places)
    fits: dict[tuple[int, int], Fit] = {}
    for place, task in zip(places, tasks, strict=True):
        model, end = copies[place], made[task.run_id]
        if isinstance(end, Made):
            model.adopt(ready[place].classes, end.predictor, end.write)
            fits[place] = Fit(model, seconds)
        else:
            fits[place] = Fit(model, seconds, end.reason)
    return fits


def _task(
    place: tuple[int, int],
    model: Classifier,
    ready: Ready,
    source: Any,
    shared: dict[tuple[object, ...], Materials],
) -> Task:
    """A fit as the bank takes it; those on the same split share its tokens."""
    from weft.methods.base import Materials
    from weft.methods.together import Task

    split = place[1], model.validation_fraction, repr(model.class_weight)
    if split not in shared:
        shared[split] = Materials(ready.config, ready.splits, ready.names, None, source)
    return Task(f"{place[0]}-{place[1]}", ready.config, shared[split], ready.seed)


def _alone(model: Classifier, given: Given, places: Places, seed: int) -> Fit:
    began = time.perf_counter()
    failure = None
    try:
        model.fit(*given.take(places), seed=seed)
    except TrainingError as error:
        failure = error.problem
    return Fit(model, time.perf_counter() - began, failure)


def classifier_of(estimator: object) -> Classifier:
    """The estimator, if it is one that can be trained together with others.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(estimator, Classifier):
        return estimator
    raise ConfigError(
        "only a weft.Classifier is trained in a bank",
        found=type(estimator).__name__,
        remedy="give a weft.Classifier; for pipelines use scikit-learn's own cross_validate and "
        "GridSearchCV, which take it as a step",
    )


def weights_among(params: object) -> object:
    """The sample weights among the parameters of `fit`.

    Raises:
        ConfigError: there are others.
    """
    given = dict(cast("dict[str, object]", params or {}))
    weights = given.pop("sample_weight", None)
    if given:
        raise ConfigError(
            "fit takes no such parameter here",
            found=", ".join(given),
            remedy='give params={"sample_weight": ...} alone; a seed is the estimator\'s own '
            "random_state",
        )
    return weights
