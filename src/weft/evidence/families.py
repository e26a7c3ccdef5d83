"""Families of error against training size, and their weighted least-squares fits.

Every family is `error(n) = floor + drop * fall(n)`, where fall decreases in n towards 0 and has one
or two shape parameters of its own. For given shapes the best floor and drop follow in closed form,
so the shapes are searched on a grid and nothing has to be started or can get stuck (variable
projection: G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least
squares problems whose variables separate, 1973). A bootstrap's replicates are fitted all at once.

The power law and its relatives are what the literature found to extrapolate best: T. Viering and
M. Loog, The shape of learning curves: a review, 2022; F. Mohr, T. J. Viering, M. Loog and
J. N. van Rijn, LCDB 1.0: an extensive learning curves database for classification tasks, 2022,
whose names the families bear; R. L. Figueroa, Q. Zeng-Treitler, S. Kandula and L. H. Ngo,
Predicting sample size required for classification performance, 2012; T. Domhan,
J. T. Springenberg and F. Hutter, Speeding up automatic hyperparameter optimization of deep neural
networks by extrapolation of learning curves, 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """One form of error against size.

    Sizes are given as multiples of the ladder's smallest, so that grids fit every ladder.
    """

    name: str
    formula: str
    shapes: Floats
    """(G, P) the grid of shape parameters."""
    fall: Callable[[Floats, Floats], Floats]
    """Sizes (M,) and shapes (G, P) -> (G, M), decreasing in size, at least 0."""


@dataclass(frozen=True)
class Fits:
    """Fits of one family to B ladders."""

    family: Family
    floor: Floats
    """(B,) the error that no number of labels goes below, 0 or more."""
    drop: Floats
    """(B,) 0 or more."""
    shapes: Floats
    """(B, P)"""
    misfit: Floats
    """(B,) weighted sum of squared residuals."""

    def errors(self, sizes: Floats) -> Floats:
        """Errors at sizes (M,), multiples of the smallest -> (B, M)."""
        fall = self.family.fall(sizes, self.shapes)
        return self.floor[:, None] + self.drop[:, None] * fall


def fit(family: Family, sizes: Floats, errors: Floats, weights: Floats) -> Fits:
    """Weighted least squares with floor and drop at least 0, over the family's grid of shapes.

    Args:
        sizes: (K,) multiples of the smallest.
        errors: (B, K) shares, 0 to 1.
        weights: (K,) inverse variances of the errors.
    """
    fall = family.fall(sizes, family.shapes)  # (G, K)
    total = weights.sum()
    fall_mean, error_mean = fall @ weights / total, errors @ weights / total  # (G,), (B,)
    centred = fall - fall_mean[:, None]
    spread = np.maximum((centred**2) @ weights, np.finfo(np.float64).tiny)
    shared = ((errors - error_mean[:, None]) * weights) @ centred.T  # (B, G)
    drop = np.maximum(shared / spread, 0.0)
    floor = error_mean[:, None] - drop * fall_mean
    # where the floor would be negative the best one is 0, and drop follows alone
    alone = np.maximum((errors * weights) @ fall.T / ((fall**2) @ weights), 0.0)
    below = floor < 0
    floor, drop = np.where(below, 0.0, floor), np.where(below, alone, drop)
    residual = errors[:, None, :] - floor[:, :, None] - drop[:, :, None] * fall  # (B, G, K)
    misfit = (residual**2) @ weights  # (B, G)
    best = misfit.argmin(axis=1)
    rows = np.arange(len(errors))
    return Fits(
        family, floor[rows, best], drop[rows, best], family.shapes[best], misfit[rows, best]
    )


def _grid(*axes: Floats) -> Floats:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def _pow3(sizes: Floats, shapes: Floats) -> Floats:
    return sizes ** -shapes[:, :1]


def _pow4(sizes: Floats, shapes: Floats) -> Floats:
    return (sizes + shapes[:, 1:]) ** -shapes[:, :1]


def _mmf4(sizes: Floats, shapes: Floats) -> Floats:
    return 1 / (1 + (sizes / shapes[:, 1:]) ** shapes[:, :1])


def _wbl4(sizes: Floats, shapes: Floats) -> Floats:
    return np.exp(-((sizes / shapes[:, 1:]) ** shapes[:, :1]))


_RATES = np.geomspace(0.05, 2.0, 24)
_PLACES = np.geomspace(0.1, 1000.0, 17)

FAMILIES: dict[str, Family] = {
    one.name: one
    for one in (
        Family("pow3", "a + b n^-c", np.geomspace(0.05, 2.0, 200)[:, None], _pow3),
        Family("pow4", "a + b (n + d)^-c", _grid(_RATES, np.geomspace(0.25, 64.0, 9)), _pow4),
        Family("mmf4", "a + b / (1 + (n / d)^c)", _grid(_RATES, _PLACES), _mmf4),
        Family("wbl4", "a + b exp(-(n / d)^c)", _grid(_RATES, _PLACES), _wbl4),
    )
}
"""By name; n is a multiple of the smallest size, a the floor, b the drop, c and d the shapes."""
