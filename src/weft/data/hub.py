"""Data sets of the Hugging Face hub, through `datasets`; every failure put in words.

HF_HOME, HF_TOKEN and HF_HUB_OFFLINE are read by `datasets` itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from weft.data.roles import Role, assign_roles
from weft.data.table import Table
from weft.errors import DataError

_REMEDY = (
    "Check the name and the network; or give local files (for sst2: --data FOLDER). "
    "HF_HUB_OFFLINE=1 reads only what HF_HOME holds already: unset it for a first download. "
    "A private or gated set needs HF_TOKEN."
)


def read_hub(repository: str, config: str | None) -> dict[Role, Table]:
    """Tables of a hub set by role; `repository` is `owner/name`.

    Raises:
        DataError: the set cannot be reached, found or loaded, or has no training split.
    """
    shown = repository if config is None else f"{repository}/{config}"
    # Imported here: it takes seconds, and local data need none of it.
    datasets: Any = importlib.import_module("datasets")
    try:
        loaded: Any = datasets.load_dataset(repository, config)
    except Exception as error:  # many libraries' errors meet here; each is a user's to mend
        raise _in_words(shown, error) from error
    if not isinstance(loaded, Mapping):
        raise DataError(
            f"{shown}: the hub set has no splits.",
            found=type(loaded).__name__,
            remedy="Give owner/name or owner/name/config of a set with a training split.",
        )
    splits = cast(Mapping[str, Any], loaded)
    roles = assign_roles(splits, shown)
    return {role: _table(f"{shown}, split {name}", splits[name]) for role, name in roles.items()}


def _table(where: str, data: Any) -> Table:
    class_names = {
        str(name): tuple(str(one) for one in feature.names)
        for name, feature in data.features.items()
        if getattr(feature, "names", None)
    }

    def column(name: str) -> Sequence[object]:
        cells = cast(list[object], list(data[name]))
        known = class_names.get(name)
        # -1 is how `datasets` writes that a label is unknown.
        return cells if known is None else [_class_name(cell, known) for cell in cells]

    names = tuple(str(name) for name in data.column_names)
    rows = range(1, len(data) + 1)
    return Table(where, names, column, rows, unit="row", class_names=class_names)


def _class_name(cell: object, known: tuple[str, ...]) -> str | None:
    return known[cell] if isinstance(cell, int) and 0 <= cell < len(known) else None


def _in_words(shown: str, error: Exception) -> DataError:
    first = (str(error).strip().splitlines() or [""])[0][:300]
    if isinstance(error, ValueError) and "onfig" in str(error):
        found = " ".join(str(error).split())[:300]
        return DataError(
            f"{shown}: the hub set needs another configuration.",
            found=found,
            remedy="Give it as owner/name/config.",
        )
    return DataError(
        f"{shown} cannot be loaded from the Hugging Face hub.",
        found=f"{type(error).__name__}: {first}",
        remedy=_REMEDY,
    )
