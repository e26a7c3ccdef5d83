"""Scores of fitted models on folds, by scikit-learn's scorers."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from weft.errors import ConfigError, TrainingError
from weft.selection.fits import Fit, Given, Places


@dataclass(frozen=True)
class Fold:
    """Which examples train and which test."""

    train: Places
    test: Places


@dataclass(frozen=True)
class Scored:
    """One model on one fold."""

    fit: Fit
    seconds: float  # of scoring on test
    test: dict[str, float]  # by name; one score is called `score`
    train: dict[str, float] | None


class Scoring:
    """What is computed of each model.

    Args:
        estimator: whose `score` is taken where nothing else is asked for.
        scoring: as scikit-learn takes it: None, a name, a callable, or several of them.
        error_score: of a model that could not be trained or scored; `raise`: an error.
    """

    def __init__(
        self, estimator: object, scoring: Any, error_score: float | str, *, train: bool
    ) -> None:
        from sklearn.metrics import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
            check_scoring,  # pyright: ignore[reportUnknownVariableType]
        )

        if isinstance(error_score, str) and error_score != "raise":
            raise ConfigError(
                "error_score cannot be used",
                found=repr(error_score),
                remedy='give a number, or "raise"',
            )
        self._strict = error_score == "raise"
        self._missing = np.nan if isinstance(error_score, str) else float(error_score)
        self._train = train
        self.scorer: Any = cast(Any, check_scoring)(
            estimator, scoring=scoring, raise_exc=self._strict
        )
        names = getattr(self.scorer, "_scorers", None)
        self.several = isinstance(scoring, Mapping | Sequence | set) and not isinstance(
            scoring, str
        )
        self.names = tuple(cast("Mapping[str, Any]", names)) if self.several else ("score",)

    def all(
        self, fits: Sequence[Sequence[Fit]], given: Given, folds: Sequence[Fold]
    ) -> list[list[Scored]]:
        """Every model on its fold, by candidate and fold.

        Raises:
            TrainingError: no model could be trained, or one could not and errors are asked for.
        """
        flat = [fit for row in fits for fit in row]
        failed = [fit.failure for fit in flat if fit.failure is not None]
        if failed and (self._strict or len(failed) == len(flat)):
            raise TrainingError(
                f"{len(failed)} of {len(flat)} fits failed", found=failed[0], remedy="lower "
                "learning_rate, or leave out the candidates that fail",
            )  # fmt: skip
        if failed:
            from sklearn.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
                FitFailedWarning,
            )

            said = (
                f"{len(failed)} of {len(flat)} fits failed and score {self._missing}: {failed[0]}"
            )
            warnings.warn(said, cast("Any", FitFailedWarning), stacklevel=3)
        return [
            [self._one(fit, given, fold) for fit, fold in zip(row, folds, strict=True)]
            for row in fits
        ]

    def _one(self, fit: Fit, given: Given, fold: Fold) -> Scored:
        began = time.perf_counter()
        test = self._scores(fit, given, fold.test)
        seconds = time.perf_counter() - began
        train = self._scores(fit, given, fold.train) if self._train else None
        return Scored(fit, seconds, test, train)

    def _scores(self, fit: Fit, given: Given, places: Places) -> dict[str, float]:
        if fit.failure is not None:
            return dict.fromkeys(self.names, self._missing)
        texts, labels, _ = given.take(places)
        try:
            found = self.scorer(fit.model, texts, labels)
        except Exception as error:
            if self._strict:
                raise
            warnings.warn(f"Scoring failed and counts {self._missing}: {error}", stacklevel=2)
            return dict.fromkeys(self.names, self._missing)
        scores = cast("dict[str, Any]", found if isinstance(found, dict) else {"score": found})
        for name, score in scores.items():
            if isinstance(score, str):  # what scikit-learn gives where one of several failed
                said = f"Scoring {name} failed and counts {self._missing}: {score.splitlines()[-1]}"
                warnings.warn(said, stacklevel=2)
                scores[name] = self._missing
        return {name: float(score) for name, score in scores.items()}


def folds_of(cv: Any, given: Given, groups: Any) -> list[Fold]:
    """The folds that scikit-learn draws: stratified and in order, unless told otherwise.

    Args:
        cv: None (5), a number of folds, a splitter, or pairs of places.
        groups: (B,) of examples that stay together, for splitters that take them.
    """
    from sklearn.model_selection import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
        check_cv,  # pyright: ignore[reportUnknownVariableType]
    )

    y = np.asarray(given.y)
    splitter = cast(Any, check_cv)(cv, y, classifier=True)
    return [
        Fold(np.asarray(train), np.asarray(test))
        for train, test in splitter.split(given.texts, y, groups)
    ]
