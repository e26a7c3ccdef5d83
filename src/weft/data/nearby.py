"""What a misspelled path may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from weft.errors import did_you_mean


def nearest_path(given: str, others: Iterable[str] = ()) -> str:
    """The end of a sentence that names what lies beside a path and is called almost like it.

    Args:
        given: as the user wrote it.
        others: names that are no paths and may have been meant too.
    """
    near, path = did_you_mean(given[:200], others), Path(given)
    if near or not path.name:
        return near
    try:
        beside = [one.name for one in path.parent.iterdir()]
    except (OSError, ValueError):
        return ""
    # by their last names: what stands above them is the same for all
    found = did_you_mean(path.name[:200], beside)
    return found if path.parent == Path() or not found else _below(found, path.parent)


def _below(said: str, folder: Path) -> str:
    name = said.removeprefix("; did you mean ").removesuffix("?")
    return f"; did you mean {folder / name}?"
