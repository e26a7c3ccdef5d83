"""The commands that worked on a study, one after the other: who, when, with what. No torch."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from typing import Any, cast

from weft.study import starved
from weft.study.ledger import Ledger

FACT = "sessions"
OF_THE_FIRST = ("command", "versions", "machine", "date")
"""Facts that a study keeps from the command that began it; each session has its own as well."""


def unfinished(facts: dict[str, Any]) -> bool:
    """Whether the last session was stopped, or fell, before it came to its end."""
    sessions = _of(facts)
    return bool(sessions) and sessions[-1]["ended"] is None


def begin(ledger: Ledger, facts: dict[str, Any]) -> None:
    """Notes that a session begins.

    Args:
        facts: the session's own, those `OF_THE_FIRST` among them.
    """
    known = ledger.facts()
    own = {name: facts[name] for name in OF_THE_FIRST}
    own |= {"host": platform.node(), "pid": os.getpid(), "begun": _now(), "ended": None}
    own |= {"stand": stand(known), "kills": starved.kernel_kills()}
    ledger.set_facts({FACT: [*_of(known), own]})


def stand(facts: dict[str, Any]) -> dict[str, Any]:
    """Where a study stands: its checkpoints, and what was decided on its banks."""
    return {name: facts.get(name, {}) for name in ("checkpoints", starved.FACT)}


def killed_twice(facts: dict[str, Any]) -> bool:
    """Whether the system killed the last two sessions for memory, and neither came further than
    where the study stands now."""
    return starved.killed_twice(_of(facts), stand(facts))


def end(ledger: Ledger, fill: Mapping[str, tuple[int, float]]) -> None:
    """Notes that the session under way, or one that was stopped just before this, is at its end.

    Args:
        fill: by method, the steps that it took and how full their strips were on average.
    """
    sessions = _of(ledger.facts())
    if sessions and sessions[-1]["ended"] is None:
        done = {**sessions[-1], "ended": _now(), "fill": dict(fill)}
        ledger.set_facts({FACT: [*sessions[:-1], done]})


def _of(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", facts.get(FACT, []))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
