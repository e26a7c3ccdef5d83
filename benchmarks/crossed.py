"""Made-up studies whose true scores are known: seeds that meet examples of unequal difficulty.

Seed s has an accuracy A[s], normal around the recipe's with the seeds' standard deviation; example
i has a difficulty b[i], normal on the scale of logits. The margin of s on i is

    margin[s, i] = shift(A[s]) + b[i] + logistic noise,

and the answer is right where it is positive. `shift` is such that seed s is right on a share A[s]
of the population of examples, so the recipe's expected accuracy is exactly the one asked for. The
loss is log(1 + exp(-0.7 margin)): a classifier somewhat less sure than it should be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_SHARPNESS = 0.7
_POSITIVE = 0.4
"""Share of examples whose true class is the positive one."""


@dataclass(frozen=True)
class World:
    """A population of examples and a recipe's accuracy on it."""

    accuracy: float = 0.88
    difficulty: float = 4.5  # SD of b, logits

    def margins(
        self,
        generator: np.random.Generator,
        seeds: int,
        examples: int,
        seed_sd: float,
        common: NDArray[np.float64] | None = None,
        overlap: float = 0.0,
    ) -> NDArray[np.float64]:
        """(S, n) margins of one study.

        Args:
            generator: draws everything.
            seeds: S.
            examples: n.
            seed_sd: of the seeds' accuracies, in points.
            common: (n,) standard normal part of the difficulties that another recipe shares.
            overlap: correlation of the two recipes' difficulties.
        """
        accuracies = self.accuracy + seed_sd / 100 * generator.standard_normal(seeds)
        own = generator.standard_normal(examples)
        if common is not None:
            own = np.sqrt(overlap) * common + np.sqrt(1 - overlap) * own
        noise = generator.logistic(size=(seeds, examples))
        return self._shift(accuracies)[:, None] + self.difficulty * own + noise

    @cached_property
    def examples_share(self) -> float:
        """Of the variance of an answer, what is the example's: 0 if all are alike."""
        given = _expit(self._shift(np.array([self.accuracy])) + self.difficulty * _NODES)
        variance = float(_WEIGHTS @ (given - self.accuracy) ** 2)
        return variance / (self.accuracy * (1 - self.accuracy))

    def loss(self, seed_sd: float) -> float:
        """Expected loss over seeds, examples and answers, nats."""
        quantiles = (np.arange(1000) + 0.5) / 1000
        noise = np.log(quantiles / (1 - quantiles))
        heavy = _WEIGHTS > 1e-9
        nodes, weights = _NODES[heavy], _WEIGHTS[heavy]
        of_examples = self.difficulty * nodes[:, None] + noise
        shifts = self._shift(self.accuracy + seed_sd / 100 * nodes)
        by_seed = [weights @ losses(shift + of_examples).mean(axis=1) for shift in shifts]
        return float(weights @ np.array(by_seed))

    def f1(self, seed_sd: float) -> float:
        """Expected F1 of a seed on the whole population."""
        right = self.accuracy + seed_sd / 100 * _NODES
        return float(_WEIGHTS @ (2 * _POSITIVE * right / (2 * _POSITIVE * right + 1 - right)))

    @cached_property
    def _table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        shifts = np.linspace(-6, 30, 4001)
        return shifts, _expit(shifts[:, None] + self.difficulty * _NODES) @ _WEIGHTS

    def _shift(self, accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
        shifts, reached = self._table
        return np.interp(accuracies, reached, shifts)


def correct(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where an answer is right, else 0."""
    return (margins > 0).astype(np.float64)


def losses(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross-entropy of each answer, nats."""
    return np.logaddexp(0, -_SHARPNESS * margins)


def classes(
    margins: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The class predicted by each seed (S, n), and the true ones (n,), of two classes."""
    labels = (generator.random(margins.shape[1]) < _POSITIVE).astype(np.int64)
    return np.where(margins > 0, labels, 1 - labels), labels


def _expit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.tanh(logits / 2)) / 2


def _normal() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of the mean over a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(201)
    return nodes, weights / weights.sum()


_NODES, _WEIGHTS = _normal()
