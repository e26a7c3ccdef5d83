"""`classifier.json`: how a saved `Classifier` was made, and the kind of its labels. No torch.

Beside `weft.json`, which says what the model is. A folder without it is loaded all the same: its
labels are strings and its parameters are the defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from weft.errors import AdapterError, listed

FILE = "classifier.json"
SCHEMA = 1
_KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": object}


class Manners(BaseModel):
    """A saved classifier's own words; the schema version comes first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA
    labels: Literal["bool", "int", "float", "str"] = "str"
    """What the labels in `weft.json` are read as."""
    parameters: dict[str, Any] = {}
    """Of the constructor, those that JSON can hold."""
    class_weight: list[tuple[str | int | float | bool, float]] | None = None
    """Apart from the others, since JSON's keys are strings alone."""

    def classes(self, names: Sequence[str]) -> NDArray[Any]:
        """(C,) labels in the kind that they were given in.

        Raises:
            AdapterError: a name is none of that kind.
        """
        kind = _KINDS[self.labels]
        try:
            if kind is bool:
                return np.asarray([("False", "True").index(name) == 1 for name in names])
            values = list(names) if kind is object else [kind(name) for name in names]
            return np.asarray(values, dtype=kind)
        except (ValueError, OverflowError) as error:
            raise AdapterError(
                f"{FILE} says that the labels are of kind {self.labels}, and they are not",
                found=listed(names, 6),
                remedy=f"save the model again, or delete {FILE}: labels are strings without it",
            ) from error


def write(folder: Path, classes: NDArray[Any], parameters: Mapping[str, Any]) -> None:
    """Writes `classifier.json` into the folder."""
    kind = {"b": "bool", "i": "int", "f": "float"}.get(classes.dtype.kind, "str")
    weight = parameters.get("class_weight")
    pairs = None
    if isinstance(weight, Mapping):
        pairs = [(_item(key), value) for key, value in cast("Mapping[Any, float]", weight).items()]
    plain = {name: value for name, value in parameters.items() if _plain(value)}
    if pairs is not None:
        plain.pop("class_weight", None)
    made = Manners(labels=cast("Any", kind), parameters=plain, class_weight=pairs)
    (folder / FILE).write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Manners:
    """Reads a folder's `classifier.json`; where there is none, what holds without it.

    Raises:
        AdapterError: it is newer than this weft, or damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return Manners()
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        schema: Any = raw["schema_version"]
        if type(schema) is int and schema > SCHEMA:
            raise AdapterError(
                f"{path} was written by a newer weft",
                found=f"schema {schema}; this weft reads up to {SCHEMA}",
                remedy="pip install --upgrade weft",
            )
        made = Manners.model_validate(raw)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise AdapterError(
            f"{path} cannot be read",
            found=_said(error),
            remedy="save the model again, or delete that file: labels are strings without it",
        ) from error
    return made


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _item(value: Any) -> Any:
    return cast("Any", value).item() if isinstance(value, np.generic) else value


def _plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
