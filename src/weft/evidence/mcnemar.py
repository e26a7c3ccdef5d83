"""McNemar's exact test: two named adapters on the same test examples, and nothing beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats as _stats  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

_scipy = cast(Any, _stats)


@dataclass(frozen=True)
class McNemar:
    """How two adapters disagree about the same examples."""

    only_first: int  # examples that the first alone has right
    only_second: int  # examples that the second alone has right
    p: float  # two-sided


def mcnemar_exact(first: NDArray[np.float64], second: NDArray[np.float64]) -> McNemar:
    """Tests whether two adapters are right equally often on new examples of the population.

    Given how many examples one alone has right, each side has them with chance 1/2 if there is no
    difference: twice the smaller binomial tail (Q. McNemar, Note on the sampling error of the
    difference between correlated proportions or percentages, Psychometrika 12(2), 1947). It says
    nothing of recipes: another seed is another adapter.

    Args:
        first: (n,) 1 where the first adapter is right, else 0.
        second: (n,) the same of the second.
    """
    assert first.ndim == 1
    assert first.shape == second.shape
    assert np.isin(first, (0, 1)).all()
    assert np.isin(second, (0, 1)).all()
    one, other = int((first > second).sum()), int((second > first).sum())
    tail = float(_scipy.binom.cdf(min(one, other), one + other, 0.5))
    return McNemar(one, other, min(1.0, 2 * tail))
