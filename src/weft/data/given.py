"""Texts, labels and weights as callers hand them over: any column becomes a list, faults are named.

A column is a list, a tuple or another iterable, a NumPy array, or a column of pandas, Polars or
Arrow; a table or array of one column counts as that column. None of these packages is imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.data.labels import printable
from weft.errors import InputError

_SHOWN = 60  # characters of a value that an error repeats


def texts_of(given: object, what: str = "text") -> list[str]:
    """The texts of a column, which may be empty.

    Args:
        what: what one of them is called in an error.

    Raises:
        InputError: it is no column, or a text is missing, blank or no string.
    """
    texts = column(given, what)
    for place, text in enumerate(texts):
        fault = _text_fault(text)
        if fault is None:
            continue
        raise InputError(
            f"{what} {place} is {fault}",
            found=_shown(text),
            remedy="drop such rows, or give each example a text that says something",
        )
    return cast("list[str]", texts)


def _text_fault(text: object) -> str | None:
    if not isinstance(text, str):
        return "missing" if _missing(text) else "no string"
    if not text.strip():
        return "blank"
    return None if encodable(text) else "half of a surrogate pair, a sign of broken encoding"


def encodable(text: str) -> bool:
    """Whether a text can be written: no halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def labels_of(given: object, texts: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The classes (C,), sorted, and the class of each example (B,).

    Classes keep the kind of the labels: strings (as objects), integers, floats or booleans.

    Args:
        texts: how many there are, B.

    Raises:
        InputError: not one label a text, a missing one, labels that are no classes, or one class.
    """
    if given is None:
        raise InputError(
            "fit requires y to be passed, but the target y is None",
            remedy="give one label a text: fit(texts, labels)",
        )
    values = column(given, "label")
    if len(values) != texts:
        raise InputError(
            "texts and labels differ in number",
            found=f"{texts}, {len(values)}",
            remedy="give one label a text, in the same order",
        )
    for place, value in enumerate(values):
        if _missing(value):
            raise InputError(
                f"label {place} is missing",
                found=_shown(value),
                remedy="drop examples without a label, or predict them once a model is trained",
            )
        if isinstance(value, str) and not printable(value):
            raise InputError(
                f"label {place} holds a character that no name can have",
                found=ascii(value)[:_SHOWN],
                remedy="remove line breaks, control characters and halves of surrogate pairs",
            )
    given_labels = cast("NDArray[Any]", np.asarray(values, dtype=_kind(values)))
    classes, codes = np.unique(given_labels, return_inverse=True)
    if len(classes) < 2:
        one = "there is only one label, so one class: nothing to tell apart"
        raise InputError(
            one if len(classes) else "there is no text and no label",
            found=", ".join(map(str, classes)) or None,
            remedy="give examples of at least two classes",
        )
    return classes, codes.astype(np.int64)


def weights_of(given: object, texts: int) -> NDArray[np.float64] | None:
    """(B,) how much each example counts; None where nothing was given.

    Raises:
        InputError: not one weight a text, or one that is no number from 0 up, or all are 0.
    """
    if given is None:
        return None
    remedy = "give one weight a text, none below 0, at least one above"
    if isinstance(given, int | float):
        given = [given] * texts
    values = column(given, "weight")
    if len(values) != texts:
        raise InputError(
            "texts and weights differ in number", found=f"{texts}, {len(values)}", remedy=remedy
        )
    try:
        weights = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("a weight is no number", found=str(error), remedy=remedy) from error
    if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any():
        raise InputError("a weight is no number from 0 up", remedy=remedy)
    if texts and not weights.any():
        raise InputError("all weights are zero", remedy=remedy)
    return weights


def column(given: object, what: str) -> list[Any]:
    """The values of a column, in order, as plain Python.

    Args:
        what: what one value is called in an error, e.g. `text`.

    Raises:
        InputError: it is a single value, has no order, or has several columns.
    """
    fault = _fault(given)
    if fault is not None:
        raise InputError(
            f"{what}s are wanted, in a list or column",
            found=fault,
            remedy=f'put a single {what} in a list, as in predict(["dull, but kind"]); of a table '
            f'give the one column of the {what}s, as in table["{what}"]',
        )
    one = cast("Any", given if isinstance(given, Iterable) else np.asarray(given))
    if len(getattr(one, "shape", ())) == 2:
        one = _only_column(one)
    # Arrow's; pandas' and Polars'; NumPy's
    name = next((name for name in ("to_pylist", "to_list", "tolist") if hasattr(one, name)), None)
    values = one if name is None else getattr(one, name)()
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _fault(given: object) -> str | None:
    """Why something is no column; None where it is one."""
    if given is None:
        return "None"
    if isinstance(given, str | bytes):
        return f"one {type(given).__name__}, {_shown(given)}"
    if isinstance(given, Mapping | Set):
        return f"a {type(cast('object', given)).__name__}, which has no order"
    shape = cast("tuple[int, ...] | None", getattr(given, "shape", None))
    if shape is None:
        if isinstance(given, Iterable) or hasattr(given, "__array__"):
            return None
        return _shown(given)
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return None
    return f"a {type(given).__name__} of shape {shape}"


def _only_column(table: Any) -> Any:
    if hasattr(table, "iloc"):  # pandas
        return table.iloc[:, 0]
    if hasattr(table, "to_series"):  # Polars
        return table.to_series(0)
    return table.column(0) if hasattr(table, "column") else np.asarray(table)[:, 0]  # Arrow, NumPy


def _missing(value: object) -> bool:
    gone = type(value).__name__ in ("NAType", "NaTType")  # pandas', which do not compare
    return value is None or gone or (isinstance(value, float) and math.isnan(value))


def _kind(labels: list[Any]) -> type:
    """The dtype of an array of these labels.

    Raises:
        InputError: they are of several kinds, or of one that names no classes.
    """
    kinds = {bool if isinstance(v, bool) else _plain(v) for v in labels}
    kinds -= {int} if float in kinds else set()
    if len(kinds) > 1 or None in kinds:
        first = next((v for v in labels if _plain(v) is None), None)
        named = sorted(kind.__name__ for kind in kinds if kind is not None)
        raise InputError(
            "labels are not all of one kind that names a class",
            found=_shown(first) if first is not None else " and ".join(named),
            remedy="give one string, integer or boolean an example; several labels an example are "
            "not trained",
        )
    if kinds == {float} and any(not float(v).is_integer() for v in labels):
        odd = next(v for v in labels if not float(v).is_integer())
        raise InputError(
            "labels are continuous numbers; a classifier wants classes",
            found=str(odd),
            remedy="cut them into classes, or give integers or strings",
        )
    return object if kinds in ({str}, set[type]()) else next(kind for kind in kinds if kind)


def _plain(value: object) -> type | None:
    return next((kind for kind in (str, int, float) if isinstance(value, kind)), None)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
