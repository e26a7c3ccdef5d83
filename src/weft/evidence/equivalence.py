"""Whether two recipes are equal within a margin: two one-sided tests.

"No difference was found" is not "there is none". Equivalence is a claim of its own, with a margin
that is declared before the data are seen (D. J. Schuirmann, A comparison of the two one-sided tests
procedure and the power approach for assessing the equivalence of average bioavailability, Journal
of Pharmacokinetics and Biopharmaceutics 15(6), 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.evidence.difference import Difference, paired_difference

MARGIN = 0.01
"""Of accuracy: one point."""

POWER = 0.8


@dataclass(frozen=True)
class Equivalence:
    """The verdict of two one-sided tests."""

    difference: Difference
    margin: float  # of accuracy
    level: float  # 1 - alpha, of each one-sided test
    p: float  # the larger of the two
    low: float  # of the interval at level 1 - 2 alpha
    high: float
    smallest: float
    """Smallest margin shown with power 0.8 by such seeds and examples if the recipes are equal."""

    @property
    def shown(self) -> bool:
        """Whether both tests reject: the interval lies inside the margin."""
        return self.p < 1 - self.level


def equivalence(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    margin: float = MARGIN,
    level: float = 0.95,
) -> Equivalence:
    """Tests whether the accuracies of two recipes differ by less than the margin.

    With standard error se, equal recipes are found so with power 1 - beta at a margin of
    (t[1 - alpha] + t[1 - beta / 2]) se.

    Args:
        first: (S, n) 1 where seed s of the first recipe is right about example i, else 0.
        second: (S, n) the same of the second, rows and columns in the same order.
        margin: of accuracy, above 0, declared beforehand.
        level: of each one-sided test; 0.95 belongs to a 90 % interval.
    """
    assert 0 < margin <= 1
    assert 0.5 < level < 1
    apart = paired_difference(first, second)
    low, high = apart.interval(2 * level - 1)
    p = max(apart.p_above(-margin), apart.p_below(margin))
    return Equivalence(apart, margin, level, p, low, high, _smallest(apart, level))


def _smallest(apart: Difference, level: float) -> float:
    if apart.standard_error == 0:
        return 1 - (1 - level) ** (1 / apart.examples)
    # A one-sided test at 1 - alpha has the quantile of the interval at 1 - 2 alpha.
    quantiles = apart.quantile(2 * level - 1) + apart.quantile(POWER)
    return min(1.0, quantiles * apart.standard_error)
