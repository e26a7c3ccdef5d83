"""One fit of a `Classifier`: parameters as a study's settings, columns as examples, a split."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.config import DataSettings, StudyConfig
from weft.data.examples import Examples, LabelledText
from weft.data.given import labels_of, texts_of, weights_of
from weft.data.splits import Splits, split
from weft.data.weights import class_weights, refuse_odd_weights
from weft.errors import ConfigError, InputError, brief
from weft.study.faults import validated
from weft.study.trees import is_tree, merged, plain

_PLACES = {  # where a parameter stands among a study's settings
    "lora": ("r", "lora_alpha", "lora_dropout", "target_modules"),
    "recipe": ("batch_size", "epochs", "min_steps", "patience", "weight_decay"),
    "backbone": ("pooling", "max_length", "precision"),
}
_RATES = {"lora": "recipe", "bitfit": "bitfit", "full": "full"}  # whose learning rate it is


@dataclass(frozen=True)
class Ready:
    """What one fit trains on, and how: checked and split."""

    config: StudyConfig
    splits: Splits
    classes: NDArray[Any]  # (C,) as given
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as they are saved."""
        return tuple(map(str, self.classes.tolist()))


def configured(parameters: Mapping[str, Any]) -> StudyConfig:
    """A classifier's parameters as a study's settings, defaults filled in.

    Raises:
        ConfigError: names every parameter that cannot be used.
    """
    method, settings = parameters["method"], plain(parameters["settings"])
    own: dict[str, Any] = {
        "name": "fit",
        "backbone": {"name": plain(parameters["backbone"])},
        "methods": [method],
    }
    over: dict[str, Any] = {
        room: {name: plain(parameters[name]) for name in names} for room, names in _PLACES.items()
    }
    rate = _RATES.get(method) if isinstance(method, str) else None
    if rate is not None:
        over.setdefault(rate, {})["learning_rate"] = plain(parameters["learning_rate"])
    amiss = [
        f"{name}: {error.problem} (found {error.found}; {error.remedy})"
        for name, check in _CHECKS.items()
        if (error := _refused_by(check, parameters[name])) is not None
    ]
    if settings is not None and not is_tree(settings):
        amiss.append(f"settings: a mapping is wanted (found {brief(settings)})")
        settings = None
    return validated(merged(merged(own, settings or {}), over), amiss)


def _refused_by(check: Callable[[Any], object], value: object) -> ConfigError | None:
    try:
        check(value)
    except ConfigError as error:
        return error
    return None


def prepare(
    parameters: Mapping[str, Any], texts: object, y: object, sample_weight: object, seed: int
) -> Ready:
    """What a classifier of these parameters trains on, and how.

    Args:
        parameters: the constructor's, by name.
        texts, y, sample_weight: columns, as `fit` takes them.

    Raises:
        ConfigError: a parameter cannot be used.
        DataError: texts, labels or weights cannot.
    """
    config = configured(parameters)
    rows = texts_of(texts)
    if len(getattr(y, "shape", ())) == 2:
        from sklearn.exceptions import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
            DataConversionWarning,
        )

        said = "A column-vector y was passed when a 1d array was expected; its column is read"
        warnings.warn(said, cast("Any", DataConversionWarning), stacklevel=4)
    classes, labels = labels_of(y, len(rows))
    weights = weights_of(sample_weight, len(rows))
    weights = class_weights(parameters["class_weight"], classes, labels, weights)
    examples = Examples(tuple(rows), None, labels, None, weights)
    if weights is not None and not weights.all():
        classes, examples = _counting(classes, examples)
    names = tuple(map(str, classes.tolist()))
    nothing = examples.take(np.zeros(1, dtype=np.int64))  # fit tests on nothing of its own
    data = LabelledText("fit", names, None, examples, None, nothing, "given to fit", {}, ())
    size = held_out(parameters["validation_fraction"], len(examples))
    splits = split(data, DataSettings(balance="stratified", validation_size=size), None)
    return Ready(config, splits, classes, seed)


def held_out(share: object, examples: int) -> int | None:
    """How many of the examples select; None: as many as a study sets apart.

    Raises:
        ConfigError: it is no share.
    """
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise ConfigError(
            "validation_fraction is no share of the texts",
            found=repr(share),
            remedy="give a number between 0 and 1, e.g. 0.1, or None",
        )
    return max(round(share * examples), 2)


def seed_of(random_state: object) -> int:
    """The seed of a run; a generator moves on, None is drawn anew.

    Raises:
        ConfigError: it is neither, and no integer.
    """
    _must_seed(random_state)
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    return int(cast("int", random_state))


def _must_seed(random_state: object) -> None:
    if random_state is None or isinstance(random_state, np.random.RandomState | Integral):
        return
    raise ConfigError(
        "random_state is no seed",
        found=brief(random_state),
        remedy="give an integer, a numpy.random.RandomState, or None",
    )


_CHECKS: dict[str, Callable[[Any], object]] = {
    "validation_fraction": lambda share: held_out(share, 0),
    "random_state": _must_seed,
    "class_weight": refuse_odd_weights,
}
"""Parameters that are no settings of a study."""


def _counting(classes: NDArray[Any], examples: Examples) -> tuple[NDArray[Any], Examples]:
    """Classes and examples without those of weight 0: they neither train nor select.

    Raises:
        InputError: fewer than two classes remain.
    """
    assert examples.weights is not None
    kept = examples.take(np.flatnonzero(examples.weights))
    present = np.unique(kept.labels)
    if len(present) < 2:
        raise InputError(
            "there is only one label among the examples whose weight is above 0, so one class",
            remedy="give examples of at least two classes a weight above 0",
        )
    labels = np.searchsorted(present, kept.labels)
    return classes[present], Examples(kept.texts, None, labels, None, kept.weights)
