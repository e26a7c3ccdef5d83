"""One number that makes a model less sure, or more, and changes none of its answers.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On calibration of modern neural networks, 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize as _optimize  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

from weft.evidence.calibration.held_out import FOLDS, folds_of
from weft.evidence.calibration.judge import log_loss_each

_scipy = cast(Any, _optimize)

LEAST = 20
"""Examples below which no temperature is fitted."""

BOUNDS = (0.05, 20.0)
"""Between which a temperature is sought."""

_SMALLEST = float(np.finfo(np.float64).tiny)  # below it a probability has no logarithm


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by; above 1 a model becomes less sure."""

    value: float
    reason: str | None = None
    """Why it is not the minimum of the log loss; None: it is."""


@dataclass(frozen=True)
class Calibration:
    """A temperature, and what one fitted on other examples is worth.

    The losses are mean log losses in nats: without a temperature, and with each fold's taken from
    the other folds. None where the probabilities are not numbers.
    """

    temperature: Temperature
    examples: int
    folds: int
    loss_before: float | None
    loss_after: float | None


def calibrate(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Calibration:
    """Fits on these examples, and says by cross-fitting what that is worth on others.

    Args:
        probabilities: (B, C) of each class, each example's from a choice in which it had no part
            (`held_out`): so neither temperature nor losses gain by that choice.
        labels: (B,) true classes.
    """
    temperature = fit(probabilities, labels)
    count = len(labels)
    if not count or not np.isfinite(probabilities).all():
        return Calibration(temperature, count, FOLDS, None, None)
    before = float(log_loss_each(probabilities, labels).mean())
    if temperature.value == 1.0:
        return Calibration(temperature, count, FOLDS, before, before)
    after = float(log_loss_each(cross_fitted(probabilities, labels), labels).mean())
    return Calibration(temperature, count, FOLDS, before, after)


def fit(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Temperature:
    """The temperature with the lowest log loss, from probabilities instead of logits.

    A softmax's logarithms are its logits less one number an example, which no softmax sees.

    Args:
        probabilities: (B, C) of each class.
        labels: (B,) true classes.
    """
    return fit_logits(_logits(probabilities), labels)


def fit_logits(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> Temperature:
    """The temperature with the lowest log loss; 1 with a reason where there is nothing to fit.

    The log loss is convex in 1/T, so its slope there has one root or none between the bounds.

    Args:
        logits: (B, C).
        labels: (B,) true classes.
    """
    assert logits.ndim == 2
    assert logits.shape[0] == len(labels)
    count = len(labels)
    if count < LEAST:
        return Temperature(1.0, f"{count} examples are too few; {LEAST} are needed")
    if not np.isfinite(logits).all():
        return Temperature(1.0, "some probabilities are not numbers")
    if len(np.unique(labels)) == 1:
        return Temperature(1.0, "all examples have one label")
    shifted = logits - logits.max(axis=1, keepdims=True)  # (B, C)
    true = shifted[np.arange(count), labels]  # (B,)
    if (true == 0).all():
        return Temperature(1.0, "every example is right, so no degree of sureness is too high")
    if shifted.min() > -1e-9:
        return Temperature(1.0, "the classes are equally probable in every example")

    def slope(cold: float) -> float:
        """Of the mean log loss in nats at 1/T."""
        odds = np.exp(cold * shifted)
        expected = (odds * shifted).sum(axis=1) / odds.sum(axis=1)
        return float((expected - true).mean())

    low, high = BOUNDS
    if slope(1 / high) >= 0:
        return Temperature(high, f"the log loss falls up to the bound of {high:g}")
    if slope(1 / low) <= 0:
        return Temperature(low, f"the log loss falls down to the bound of {low:g}")
    return Temperature(1 / float(_scipy.brentq(slope, 1 / high, 1 / low, xtol=1e-12)))


def apply(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """softmax(log p / T), (B, C): equal to softmax(logits / T); at 1 what was given, bit for bit.

    Raises:
        ValueError: the temperature is not a number above 0.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"a temperature is a number above 0, not {temperature}")
    if temperature == 1.0:
        return probabilities
    logits = _logits(probabilities) / temperature
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def cross_fitted(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(B, C), each example at the temperature that the other folds' examples have.

    Args:
        probabilities: (B, C) of each class.
        labels: (B,) true classes; folds hold about equal parts of each.
    """
    fold = folds_of(labels)
    rows = np.empty_like(probabilities)
    for own in range(FOLDS):
        here = fold == own
        rows[here] = apply(probabilities[here], fit(probabilities[~here], labels[~here]).value)
    return rows


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities, _SMALLEST))
