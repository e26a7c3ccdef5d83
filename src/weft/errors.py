"""Every error a user can meet. Each says what is wrong, what was found, and what to do.

WeftError                    exit code 1
├── ConfigError              2   a setting that cannot be used
├── DataError                2   labelled text that cannot be used
│   └── InputError           2   texts, labels or weights given from Python; a ValueError too
├── BackboneError            2   an encoder that cannot be had or cannot be trained
├── AdapterError             2   a saved model that cannot be loaded
├── StudyError               1   a study's folder that does not fit what is asked of it
│   └── LedgerError          1   its ledger is torn or altered
└── TrainingError            1   a run that could not go on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class WeftError(Exception):
    """Base of all errors that are a user's to mend.

    Args:
        problem: what is wrong, one sentence, naming file and line or setting where there is one.
        remedy: what to do about it.
        found: what stood there instead, where that helps.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, remedy: str, found: str | None = None) -> None:
        self.problem = problem
        self.found = found
        self.remedy = remedy
        super().__init__(problem, remedy, found)

    def __str__(self) -> str:
        found = f"\n  found:  {self.found}" if self.found else ""
        return f"{self.problem}{found}\n  remedy: {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problem, self.remedy, self.found)


def brief(value: object, most: int = 80) -> str:
    """A value as an error shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def listed(values: Iterable[object], most: int = 40) -> str:
    """Values as an error lists them, the first of many, long ones cut."""
    shown = [brief(value, 60) for value in values]
    more = f" and {len(shown) - most:,} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The end of a sentence that says the nearest right name; empty where none is near."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(given.casefold(), folded, n=1)
    return f"; did you mean {folded[near[0]]}?" if near else ""


def _rebuild(kind: type[WeftError], problem: str, remedy: str, found: str | None) -> WeftError:
    return kind(problem, remedy=remedy, found=found)


class ConfigError(WeftError):
    """A setting has a value that cannot be used."""

    exit_code = 2


class DataError(WeftError):
    """The labelled text cannot be read or does not allow what is asked."""

    exit_code = 2


class InputError(DataError, ValueError):
    """What was given to a classifier is no column of texts, labels or weights.

    A ValueError too, since that is what scikit-learn's tools look for.
    """


class BackboneError(WeftError):
    """The encoder cannot be found, loaded or trained."""

    exit_code = 2


class AdapterError(WeftError):
    """A saved adapter or head cannot be loaded or does not fit its backbone."""

    exit_code = 2


class StudyError(WeftError):
    """A study's folder is not what the command needs it to be."""


class LedgerError(StudyError):
    """A study's ledger is torn or altered; the command that trains rebuilds it."""


class TrainingError(WeftError):
    """A run stopped and cannot go on."""
