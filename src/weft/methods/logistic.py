"""Logistic regression (scikit-learn's) with C chosen on validation; shared by the baselines."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.methods.base import Item

ITERATIONS = 300
"""That a fit takes at most; one that takes them all has not converged, and its run says so."""
GRID = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # of C, the inverse strength of the penalty


@dataclass(frozen=True)
class Linear:
    """A linear classifier: weight (C, H), bias (C,)."""

    weight: NDArray[np.floating[Any]]
    bias: NDArray[np.floating[Any]]

    def probabilities(self, features: Any) -> NDArray[np.float64]:
        """Features (B, H), dense or sparse -> (B, C)."""
        logits = np.asarray(features @ self.weight.T + self.bias, dtype=np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return odds / odds.sum(axis=1, keepdims=True)


def linear_of(tensors: Mapping[str, NDArray[Any]]) -> Linear:
    """The classifier whose `weight` and `bias` were saved.

    Raises:
        KeyError: one is missing.
        ValueError: they are not those of one classifier, or hold what is no finite number.
    """
    weight, bias = tensors["weight"], tensors["bias"]
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(f"weight of shape {weight.shape} and bias of shape {bias.shape}")
    for part in (weight, bias):
        if part.dtype.kind != "f" or not np.isfinite(part).all():
            raise ValueError("weights that are no finite numbers")
    return Linear(weight, bias)


@dataclass(frozen=True)
class Fit(Linear):
    """A fitted classifier, and what was chosen."""

    c: float
    parameters: int  # free ones: two classes need one row
    held_out: NDArray[np.float64]
    """(V, C) probabilities of validation, each example's by the C that the other folds choose."""
    converged: bool
    """Whether the solver ended by itself; if not, this is where it stood."""

    @property
    def facts(self) -> dict[str, float | bool]:
        """What is kept of the choice with the run."""
        return {"C": self.c, "converged": self.converged}


def penalties(item: Item) -> Sequence[float]:
    """The Cs that are tried for an item: all, or the one that was chosen before."""
    chosen = None if item.found is None else item.found.c
    return GRID if chosen is None else (chosen,)


def choose(
    train: Any,
    labels: NDArray[np.int64],
    validation: Any,
    validation_labels: NDArray[np.int64],
    classes: int,
    grid: Sequence[float] = GRID,
    weights: NDArray[np.float64] | None = None,
    validation_weights: NDArray[np.float64] | None = None,
) -> Fit:
    """Fits one model per C and returns the one with the lowest validation loss.

    Args:
        train, validation: features (B, H), dense or sparse.
        labels, validation_labels: (B,) class indices; train may lack some of the `classes`.
        grid: the Cs tried, at least one.
        weights, validation_weights: (B,) of each example's loss; None: all alike.
    """
    from sklearn import linear_model, metrics  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    from sklearn.exceptions import ConvergenceWarning  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

    from weft.evidence.calibration.held_out import HeldOut
    from weft.evidence.calibration.judge import log_loss_each

    # scikit-learn has no types; what comes out of it is cast where it is used
    regression, judge = cast("Any", linear_model), cast("Any", metrics)

    best: tuple[float, float, int, Linear, bool] | None = None
    held_out = HeldOut()
    for c in grid:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = regression.LogisticRegression(C=c, max_iter=ITERATIONS)
            model.fit(train, labels, sample_weight=weights)
        # an unconverged C is judged by its validation loss like any other, and told if it wins
        converged = not any(issubclass(one.category, ConvergenceWarning) for one in caught)
        for one in caught:
            # many classes of one or two examples are meant
            meant = str(one.message).startswith("The number of unique classes")
            if not (meant or issubclass(one.category, ConvergenceWarning)):
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        rows = np.asarray(model.coef_), np.asarray(model.intercept_)
        parameters = rows[0].size + rows[1].size
        weight, bias = _all_classes(*rows, np.asarray(model.classes_), classes)
        linear = Linear(weight, bias)
        probabilities = linear.probabilities(validation)
        loss = float(
            judge.log_loss(
                validation_labels,
                probabilities,
                labels=range(classes),
                sample_weight=validation_weights,
            )
        )
        each = log_loss_each(probabilities, validation_labels)
        held_out.see(probabilities, each, validation_labels, validation_weights)
        if best is None or loss < best[0]:
            best = (loss, c, parameters, linear, converged)
    assert best is not None
    assert held_out.rows is not None
    _, c, parameters, linear, converged = best
    return Fit(linear.weight, linear.bias, c, parameters, held_out.rows, converged)


def _all_classes(
    coefficients: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    present: NDArray[np.int64],
    classes: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One row a class: two classes come as one row, and classes that train lacks as none."""
    if len(present) == 2:
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([[0.0], intercepts])
    weight = np.zeros((classes, coefficients.shape[1]))
    bias = np.full(classes, -30.0)  # as good as never predicted
    weight[present], bias[present] = coefficients, intercepts
    return weight, bias
