"""What a study tells beside the training events. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.config import StudyConfig
from weft.data.examples import LabelledText
from weft.data.splits import Splits
from weft.study.record import Outcome, RunKey

Watcher = Callable[[object], None]
"""Told of everything that happens: the training events and the notices below."""


@dataclass(frozen=True)
class Opened:
    """The data are read, split and checked; nothing is loaded yet."""

    config: StudyConfig
    data: LabelledText
    splits: Splits


@dataclass(frozen=True)
class Begun:
    """The study's runs are known."""

    keys: Sequence[RunKey]
    waiting: Sequence[RunKey]  # those not finished before
    facts: dict[str, Any]
    steps: Mapping[str, int] = field(default_factory=dict[str, int])
    """Steps taken before, of runs that go on in the middle."""
    besides: Sequence[RunKey] = ()
    """Runs that go on in the middle too, though this command does not ask for them."""
    last: Mapping[str, int] = field(default_factory=dict[str, int])
    """Steps at most, of runs that are given a length; of the others their recipe says it."""


@dataclass(frozen=True)
class Working:
    """A part of the work begins."""

    what: str


@dataclass(frozen=True)
class RunDone:
    """One run is finished and in the ledger."""

    key: RunKey
    outcome: Outcome
