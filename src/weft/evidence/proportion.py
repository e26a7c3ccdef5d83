"""Bounds for a share that was counted: so many of so many."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as _stats  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

_scipy = cast(Any, _stats)


def wilson(
    right: ArrayLike, trials: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends of the two-sided score interval for a share, each element by itself.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA
    22(158), 1927.

    Args:
        right: how many of the trials succeeded, any shape.
        trials: how many there were, at least one; broadcasts with `right`.
        level: of the interval.
    """
    n = np.asarray(trials, dtype=np.float64)
    share = np.asarray(right, dtype=np.float64) / n
    return score_ends(share, n, NormalDist().inv_cdf(0.5 + level / 2))


def score_ends(
    share: ArrayLike, number: ArrayLike, quantile: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's ends for shares seen among numbers of examples, which need not be whole.

    Args:
        share: 0 to 1, any shape.
        number: above 0; broadcasts with `share`.
        quantile: two-sided, of the standardised share.
    """
    share, n = np.asarray(share, dtype=np.float64), np.asarray(number, dtype=np.float64)
    z = quantile
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # rounding must not part the ends from a share of 0 or 1
    low = np.where(share == 0, 0.0, np.clip(middle - half, 0, 1))
    return low, np.where(share == 1, 1.0, np.clip(middle + half, 0, 1))


def lower_bound(right: int, trials: int, level: float = 0.95) -> float:
    """The exact one-sided lower bound of a share.

    C. J. Clopper and E. S. Pearson, The use of confidence or fiducial limits illustrated in the
    case of the binomial, Biometrika 26(4), 1934.
    """
    assert 0 <= right <= trials
    if right == 0:
        return 0.0
    return float(_scipy.beta.ppf(1 - level, right, trials - right + 1))


def at_most(
    wanted: float, right: NDArray[np.int64], trials: NDArray[np.int64]
) -> NDArray[np.float64]:
    """p-values against "the share is `wanted` or less": small where that many right would be luck.

    At most alpha exactly where `lower_bound` at level 1 - alpha is `wanted` or more.

    Args:
        wanted: the share, between 0 and 1.
        right: (M,) successes.
        trials: (M,) of so many.
    """
    return np.asarray(_scipy.binom.sf(right - 1, trials, wanted), dtype=np.float64)
