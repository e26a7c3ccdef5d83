"""`weft.cross_validate`: scikit-learn's, with all folds in one bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from weft.selection.fits import Given, classifier_of, fit_all, weights_among
from weft.selection.scoring import Scoring, folds_of


def cross_validate(
    estimator: Any,
    X: Any,  # noqa: N803  (scikit-learn's name)
    y: Any,
    *,
    groups: Any = None,
    scoring: Any = None,
    cv: Any = None,
    n_jobs: Any = None,
    verbose: int = 0,
    params: Mapping[str, Any] | None = None,
    pre_dispatch: Any = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
    error_score: float | str = np.nan,
) -> dict[str, Any]:
    """Trains on all folds at once and scores each on what it left out.

    Signature, folds and result are those of `sklearn.model_selection.cross_validate`. Each model is
    the one that `fit` would give on its fold, to the tolerance of the parity tests: the same texts
    select, the same seed draws. LoRA and BitFit train together in one bank, as many at a time as it
    has slots (`settings={"bank": {"slots": 6}}`); the other methods one by one.

    Args:
        estimator: a `Classifier`, which stays as it is.
        X, y: (B,) texts and labels, as `fit` takes them.
        groups, scoring, cv: as scikit-learn takes them.
        n_jobs, verbose, pre_dispatch: taken so that a call needs no other change; a bank does not
            use processes.
        params: `{"sample_weight": (B,)}`; of `fit`, not of the scores.
        error_score: of a fold whose training or scoring failed; `raise`: an error.

    Returns:
        Arrays by name, one value a fold: `fit_time` (seconds; the bank's time shared out equally),
        `score_time`, `test_score` or `test_NAME`, and what else was asked for.

    Raises:
        ConfigError: a parameter cannot be used.
        DataError: texts, labels or weights cannot.
        TrainingError: no fold could be trained.
    """
    del n_jobs, verbose, pre_dispatch
    model = classifier_of(estimator)
    given = Given.of(X, y, weights_among(params))
    folds = folds_of(cv, given, groups)
    scoring_of = Scoring(model, scoring, error_score, train=return_train_score)
    fits = fit_all([model], given, [fold.train for fold in folds])
    (scored,) = scoring_of.all(fits, given, folds)
    found: dict[str, Any] = {
        "fit_time": np.array([one.fit.seconds for one in scored]),
        "score_time": np.array([one.seconds for one in scored]),
    }
    if return_estimator:
        found["estimator"] = [one.fit.model for one in scored]
    if return_indices:
        found["indices"] = {
            "train": tuple(fold.train for fold in folds),
            "test": tuple(fold.test for fold in folds),
        }
    for name in scored[0].test:
        found[f"test_{name}"] = np.array([one.test[name] for one in scored])
        if return_train_score:
            found[f"train_{name}"] = np.array([(one.train or {})[name] for one in scored])
    return found
