"""The data of a study read again, for a report that shows texts and what is odd about them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from weft.errors import WeftError
from weft.study.choice import LEDGER
from weft.study.ground import settings_of
from weft.study.ledger import Ledger

CHECK = "check.json"
"""In a study's folder: what was found in its data, in numbers; no text."""
SCHEMA = 1
_SHOWN = "shown"  # examples of a finding, which hold texts


@dataclass(frozen=True)
class Seen:
    """What could be read again of a study's data."""

    texts: tuple[str, ...] | None
    """Of the test examples, a pair's as one; None: not wanted, or not there."""
    wanted: bool
    """Whether texts may be shown."""
    check: dict[str, Any] | None
    """`weft check`'s account without its examples."""
    hashes: dict[str, str]
    """Of the data that the check is of."""
    missing: str
    """Why the data could not be read again, a sentence; empty where they could."""


def reread(folder: Path, texts: bool = True) -> Seen:
    """Reads a study's data again, as its settings say, and looks through them once.

    What was found is kept beside the study by the report, so that the next one need not look again.

    Args:
        folder: of the study.
        texts: whether texts are wanted.

    Raises:
        StudyError: the folder holds no ledger that this weft can read.
    """
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        hashes = cast("dict[str, str]", ledger.facts().get("data", {}).get("hashes") or {})
    check = _kept(folder, hashes)
    if check is not None and not texts:
        return Seen(None, texts, check, hashes, "")
    try:
        found, split_up = _open(folder, hashes)
    except (WeftError, OSError, ImportError) as error:
        said = error.problem if isinstance(error, WeftError) else str(error)
        return Seen(None, texts, check, hashes, said.rstrip(".") + ".")
    if check is None:
        from weft.data.audit.audit import audit

        check = _numbers(audit(found, split_up).as_json())
    if not texts:
        return Seen(None, texts, check, hashes, "")
    test = split_up.test
    pairs = test.pairs or [None] * len(test)
    both = zip(test.texts, pairs, strict=True)
    whole = tuple(text if pair is None else f"{text}\n{pair}" for text, pair in both)
    return Seen(whole, texts, check, hashes, "")


def _open(folder: Path, hashes: dict[str, str]) -> tuple[Any, Any]:
    from weft.data.sources import load
    from weft.data.splits import split

    config = settings_of(folder)
    if config is None:
        raise OSError("The study's folder has no study.toml that says where the data lie")
    data = load(config.data)
    if data.hashes != hashes:
        raise OSError("The data that lie there now are not those of the study: their hashes differ")
    return data, split(data, config.data, config.sizes)


def _kept(folder: Path, hashes: dict[str, str]) -> dict[str, Any] | None:
    """What an earlier report found in these data; None where it did not look."""
    try:
        kept = json.loads((folder / CHECK).read_text(encoding="utf-8"))
        fits = kept["schema"] == SCHEMA and kept["hashes"] == hashes
        return kept["audit"] if fits else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _numbers(value: Any) -> Any:
    """The same without examples."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _numbers(item) for key, item in items.items() if key != _SHOWN}
    if isinstance(value, list | tuple):
        return [_numbers(item) for item in cast("list[Any]", value)]
    return value


def kept_as(seen: Seen) -> bytes:
    """The file that keeps the check."""
    whole = {"schema": SCHEMA, "hashes": seen.hashes, "audit": seen.check}
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode()
