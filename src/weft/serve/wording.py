"""What was wrong with a body, in words for whoever sent it: of the wire, not of the code behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SAID = 200  # characters of a fault that a refusal repeats
_FAULTS = 5  # that a refusal names
_TEXTS = "a text or a non-empty list of texts is wanted, none of them empty"
_COUNT = "an integer of 1 or more is wanted"
_NAME = "an adapter's name is wanted, a text of at most 300 characters"
_WANTED: Mapping[str, Mapping[str, str]] = {
    "/predict": {
        "inputs": _TEXTS,
        "adapter": _NAME,
        "top_k": _COUNT,
        "parameters": 'an object is wanted, as {"top_k": 1}',
        "parameters.top_k": _COUNT,
    },
    "/why": {"inputs": "one text is wanted, and no empty one", "adapter": _NAME},
}
"""By path and field."""


def wording(path: str, faults: Sequence[Any]) -> str:
    """Each fault once, of several the first.

    Args:
        path: that was asked.
        faults: as pydantic has them.
    """
    wanted = _WANTED.get(path, {})
    said = dict.fromkeys(_one(fault, wanted) for fault in faults)
    return "; ".join(list(said)[:_FAULTS])


def _one(fault: Any, wanted: Mapping[str, str]) -> str:
    place = [str(part) for part in fault["loc"][1:]]
    if fault["type"] == "json_invalid":
        return f"the body is no JSON: {plain(fault['ctx']['error'])} (character {place[0]})"
    if fault["type"] == "value_error":  # in our own words
        return plain(str(fault["ctx"]["error"]))
    if not place:
        return "body: a JSON object is wanted, with Content-Type: application/json"
    if fault["type"] == "extra_forbidden":
        inside = f"{place[0]}." if len(place) > 1 else ""
        known = [name.removeprefix(inside) for name in wanted if name.startswith(inside)]
        there = ", ".join(name for name in known if "." not in name)
        return f"{plain('.'.join(place))}: there is no such field; there are: {there}"
    # below a field lie the names of its types, and places in lists
    field = next(f for f in (".".join(place[:2]), place[0]) if f in wanted)
    missing = " (it is missing)" if fault["type"] == "missing" else ""
    return f"{field}: {wanted[field]}{missing}"


def plain(text: str) -> str:
    """Short, and without the halves of characters that JSON can hold and UTF-8 cannot."""
    kept = text if len(text) <= _SAID else f"{text[:_SAID]}..."
    return kept.encode("utf-8", "backslashreplace").decode("utf-8")
