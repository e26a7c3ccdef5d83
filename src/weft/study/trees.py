"""Settings as a tree of tables, as TOML has them, before and after they are a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

from pydantic import BaseModel

Tree = dict[str, Any]


def is_tree(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether settings lie below; their keys are strings, as those of TOML and keywords are."""
    return isinstance(value, Mapping)


def merged(base: Tree, over: Mapping[str, Any]) -> Tree:
    """`over` laid on `base`, table by table; None in `over` leaves the base as it is."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        below = result.get(key)
        if is_tree(value) and is_tree(below) and key != "seeds_at":
            result[key] = merged(dict(below), value)
        elif is_tree(value) and key != "seeds_at":
            result[key] = merged({}, value)
        else:
            result[key] = value
    return result


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree's leaves by dotted name."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if is_tree(value) and key != "seeds_at":
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


def plain(value: object) -> Any:
    """A setting given in Python as TOML would have it: paths as strings, tables, lists, numbers.
    What is none of these stays, for validation to refuse."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        tree = cast("Mapping[object, object]", value)
        return {key if isinstance(key, int) else str(key): plain(tree[key]) for key in tree}
    if hasattr(value, "tolist"):  # NumPy's
        return cast("Any", value).tolist()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(one) for one in cast("Iterable[object]", value)]
    return value
