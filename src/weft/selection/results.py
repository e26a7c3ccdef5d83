"""`cv_results_`: the table of a search, column by column as scikit-learn has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.selection.scoring import Scored


def table_of(
    candidates: Sequence[Mapping[str, Any]], scored: Sequence[Sequence[Scored]]
) -> dict[str, Any]:
    """A row per candidate, a column per name.

    Args:
        candidates: parameters by name.
        scored: by candidate and fold.
    """
    table: dict[str, Any] = {}
    for name, seconds in (
        ("fit_time", np.array([[one.fit.seconds for one in row] for row in scored])),
        ("score_time", np.array([[one.seconds for one in row] for row in scored])),
    ):
        table[f"mean_{name}"], table[f"std_{name}"] = seconds.mean(axis=1), seconds.std(axis=1)
    names = dict.fromkeys(name for candidate in candidates for name in candidate)
    for name in names:
        table[f"param_{name}"] = _values(name, candidates)
    table["params"] = [dict(candidate) for candidate in candidates]
    for metric in scored[0][0].test:
        values = np.array([[one.test[metric] for one in row] for row in scored])
        _put(table, f"test_{metric}", values)
        table[f"rank_test_{metric}"] = _ranks(values.mean(axis=1))
        if scored[0][0].train is not None:
            seen = [[(one.train or {})[metric] for one in row] for row in scored]
            _put(table, f"train_{metric}", np.array(seen))
    return table


def _put(table: dict[str, Any], name: str, values: NDArray[np.float64]) -> None:
    """values: (candidates, folds)."""
    for fold in range(values.shape[1]):
        table[f"split{fold}_{name}"] = values[:, fold]
    table[f"mean_{name}"], table[f"std_{name}"] = values.mean(axis=1), values.std(axis=1)


def _ranks(means: NDArray[np.float64]) -> NDArray[np.int32]:
    """From 1, the best first; equal means share the better rank, and what has none is last."""
    low = np.nanmin(means) - 1 if np.isfinite(means).any() else 0.0
    filled = np.where(np.isnan(means), low, means)
    return (1 + (filled[None] > filled[:, None]).sum(axis=1)).astype(np.int32)


def _values(name: str, candidates: Sequence[Mapping[str, Any]]) -> Any:
    """A parameter's values, masked where a candidate leaves it alone."""
    given = [candidate[name] for candidate in candidates if name in candidate]
    alike = (kind for kind in (bool, int, float) if all(type(value) is kind for value in given))
    dtype: type = next(alike, object)
    values = cast("Any", np.ma.MaskedArray)(np.zeros(len(candidates), dtype=dtype), mask=True)
    for row, candidate in enumerate(candidates):
        if name in candidate:
            values[row] = candidate[name]
    return values
