"""weft: text classifiers by LoRA, many runs at once over one frozen encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.api import Result, Study
    from weft.classifier import Classifier, load
    from weft.selection import Search, cross_validate, search

__all__ = ["Classifier", "Result", "Search", "Study", "cross_validate", "load", "search"]

_HOMES = {
    "Study": "weft.api",
    "Result": "weft.api",
    "Classifier": "weft.classifier",
    "load": "weft.classifier",
    "cross_validate": "weft.selection",
    "search": "weft.selection",
    "Search": "weft.selection",
}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first asked for: `import weft` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
