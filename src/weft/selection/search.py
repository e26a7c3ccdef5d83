"""`weft.search`: a grid search with all candidates and all folds in one bank."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.classifier import Classifier
from weft.errors import ConfigError, StudyError
from weft.selection.fits import Given, classifier_of, fit_all, weights_among
from weft.selection.results import table_of
from weft.selection.scoring import Scoring, folds_of

Refit = bool | str | Callable[[dict[str, Any]], int]


@dataclass(frozen=True)
class Search:
    """What a search found, under the names that `GridSearchCV` uses.

    It predicts and scores as its best estimator does.
    """

    cv_results_: dict[str, Any]
    scorer_: Any
    multimetric_: bool
    n_splits_: int
    best_index_: int | None = None
    best_params_: dict[str, Any] | None = None
    best_score_: float | None = None
    """Mean over the folds; None where a function chose, or nothing was to be chosen."""
    best_estimator_: Classifier | None = None
    """Trained anew on all texts with the best parameters; None without `refit`."""
    refit_time_: float | None = None  # seconds

    def _best(self) -> Classifier:
        if self.best_estimator_ is None:
            raise StudyError(
                "this search kept no model", remedy="search with refit=True, or fit one yourself"
            )
        return self.best_estimator_

    @property
    def classes_(self) -> NDArray[Any]:
        """(C,) of the best estimator."""
        return self._best().classes_

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803  (scikit-learn's name)
        """(B,) of the best estimator."""
        return self._best().predict(X)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """(B, C) of the best estimator."""
        return self._best().predict_proba(X)

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """Of the best estimator, by the scorer that chose it."""
        chosen = self.scorer_
        if self.multimetric_:
            raise StudyError(
                "several scores were computed", remedy="score best_estimator_ by the one you mean"
            )
        return float(chosen(self._best(), X, y))


def search(
    estimator: Any,
    param_grid: Any,
    X: Any,  # noqa: N803  (scikit-learn's name)
    y: Any,
    *,
    groups: Any = None,
    scoring: Any = None,
    n_jobs: Any = None,
    refit: Refit = True,
    cv: Any = None,
    verbose: int = 0,
    pre_dispatch: Any = None,
    error_score: float | str = np.nan,
    return_train_score: bool = False,
    params: Mapping[str, Any] | None = None,
) -> Search:
    """Trains every candidate on every fold at once, and the best one on all texts.

    As `GridSearchCV(estimator, param_grid, ...).fit(X, y)`: the same folds, the same result
    dictionary, the same choice where scores do not tie to within the tolerance of the parity tests.
    LoRA candidates that differ in learning rate, rank, alpha, dropout, targets or any other part of
    adapter and recipe are slots of one bank, whose adapter has room for the largest of them: a
    smaller one is filled up with zeros, which stay. Candidates that differ in backbone, pooling,
    max_length, precision, or the bank's own settings get a bank each; a method other than LoRA and
    BitFit is fitted candidate by candidate. Parameters that cannot be used are refused before
    anything trains.

    Args:
        estimator: a `Classifier`, which stays as it is.
        param_grid: values by parameter, a list of such, or candidates one by one, e.g. a
            `ParameterSampler`.
        X, y: (B,) texts and labels, as `fit` takes them.
        groups, scoring, cv, return_train_score: as scikit-learn takes them.
        n_jobs, verbose, pre_dispatch: taken so that a call needs no other change; a bank does not
            use processes.
        refit: whether the best candidate is trained on all texts; of several scores the name of the
            one that chooses, or a function from `cv_results_` to the index of the best.
        error_score: of a fit or score that failed; `raise`: an error.
        params: `{"sample_weight": (B,)}`; of `fit`, not of the scores.

    Raises:
        ConfigError: a parameter cannot be used.
        DataError: texts, labels or weights cannot.
        TrainingError: no candidate could be trained.
    """
    del n_jobs, verbose, pre_dispatch
    model = classifier_of(estimator)
    candidates = _candidates(param_grid)
    weights = weights_among(params)
    given = Given.of(X, y, weights)
    folds = folds_of(cv, given, groups)
    scoring_of = Scoring(model, scoring, error_score, train=return_train_score)
    _check_refit(refit, scoring_of)
    models = [_with(model, candidate) for candidate in candidates]
    fits = fit_all(models, given, [fold.train for fold in folds])
    scored = scoring_of.all(fits, given, folds)
    table = table_of(candidates, scored)
    several = "score" not in scored[0][0].test
    metric = refit if isinstance(refit, str) and several else "score"
    found = Search(table, scoring_of.scorer, several, len(folds))
    if refit is False and several:
        return found
    if callable(refit):
        best, score = int(refit(table)), None
    else:
        best = int(table[f"rank_test_{metric}"].argmin())
        score = float(table[f"mean_test_{metric}"][best])
    again, seconds = None, None
    if refit is not False:
        began = time.perf_counter()
        again = _with(model, candidates[best]).fit(given.texts, given.y, given.weights)
        seconds = time.perf_counter() - began
    return Search(
        cv_results_=table,
        scorer_=scoring_of.scorer,
        multimetric_=several,
        n_splits_=len(folds),
        best_index_=best,
        best_params_=candidates[best],
        best_score_=score,
        best_estimator_=again,
        refit_time_=seconds,
    )


def _with(model: Classifier, candidate: Mapping[str, Any]) -> Classifier:
    """A clone with a candidate's parameters.

    Raises:
        ConfigError: there is no such parameter.
    """
    from sklearn import base  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    copy = cast("Classifier", cast(Any, base).clone(model))
    try:
        return cast("Classifier", cast(Any, copy).set_params(**candidate))
    except ValueError as error:
        raise ConfigError(
            "a candidate names no parameter of the classifier",
            found=", ".join(name for name in candidate if name not in copy.get_params()),
            remedy="name parameters as the constructor does; other settings go into `settings`",
        ) from error


def _candidates(grid: Any) -> list[dict[str, Any]]:
    """The candidates of a grid, in scikit-learn's order.

    Raises:
        ConfigError: there is none, or it is no grid.
    """
    from sklearn.model_selection import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
        ParameterGrid,
    )

    try:
        if isinstance(grid, Mapping | list | tuple):
            grid = cast(Any, ParameterGrid)(grid)
        made = [dict(candidate) for candidate in cast("Iterable[Mapping[str, Any]]", grid)]
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "param_grid is no grid",
            found=str(error),
            remedy='give values by parameter, e.g. {"learning_rate": [5e-4, 2e-3], "r": [4, 8]}',
        ) from error
    if not made:
        raise ConfigError("param_grid holds no candidate", remedy="give one at least")
    return made


def _check_refit(refit: Refit, scoring: Scoring) -> None:
    if scoring.several and refit is not False and not callable(refit):
        names = list(scoring.names)
        if refit not in names:
            raise ConfigError(
                "of several scores none is named that chooses",
                found=f"refit={refit!r}",
                remedy=f"give refit={names[0]!r} or another of {', '.join(names)}, or refit=False",
            )
