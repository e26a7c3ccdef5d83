"""How much each example counts in a loss: the caller's weights times those of the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.errors import ConfigError, brief

_REMEDY = 'give "balanced", or a weight from 0 up for each class, e.g. {"spam": 5, "ham": 1}'


def class_weights(
    wanted: Mapping[Any, float] | str | None,
    classes: NDArray[Any],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """(B,) the product of both, scaled to a mean of 1 over what counts; None where all count alike.

    A mean of 1 leaves the learning rate its meaning. `balanced` gives all classes the same share of
    the sum: total / (C * the class's own), as scikit-learn has it.

    Args:
        wanted: `balanced`, or a weight by class; a class that is not named has 1.
        classes: (C,) as given.
        labels: (B,) index into them.
        weights: (B,) the caller's own; None: 1 each.

    Raises:
        ConfigError: `wanted` is neither, or names a class that is not there while one that is there
            is not named.
    """
    if wanted is None and weights is None:
        return None
    own = np.ones(len(labels)) if weights is None else weights
    if wanted is not None:
        own = own * _by_class(wanted, classes, labels, own)[labels]
    counting = own > 0
    own = own / own[counting].mean() if counting.any() else own
    alike = bool(np.allclose(own, 1.0, rtol=0, atol=1e-12))
    return None if alike else own


def refuse_odd_weights(wanted: object) -> None:
    """Refuses what is no weighting of classes, whatever these are.

    Raises:
        ConfigError: it is neither None, `balanced` nor a mapping to numbers from 0 up.
    """
    if wanted is None or wanted == "balanced":
        return
    if not isinstance(wanted, Mapping):
        raise ConfigError("class_weight cannot be used", found=brief(wanted), remedy=_REMEDY)
    for value in cast("Mapping[Any, Any]", wanted).values():
        if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
            raise ConfigError("a class's weight is no number", found=brief(value), remedy=_REMEDY)


def _by_class(
    wanted: Mapping[Any, float] | str,
    classes: NDArray[Any],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(C,) weight of each class."""
    if isinstance(wanted, str) and wanted == "balanced":
        sums = np.bincount(labels, weights=weights, minlength=len(classes))
        present = np.count_nonzero(sums)
        return np.divide(sums.sum(), present * sums, out=np.zeros_like(sums), where=sums > 0)
    refuse_odd_weights(wanted)
    by_class = cast("Mapping[Any, Any]", wanted)
    names = cast("list[Any]", classes.tolist())
    strange = [name for name in by_class if name not in names]
    if strange and any(name not in by_class for name in names):
        raise ConfigError(
            f"class_weight names {strange[0]!r}, which is no class",
            found=f"classes {', '.join(map(repr, names[:6]))}",
            remedy=_REMEDY,
        )
    values = [by_class.get(name, 1.0) for name in names]
    return np.asarray(values, dtype=np.float64)
