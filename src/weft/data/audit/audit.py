"""The whole account of a data set: repeats, leaks between splits, conflicts, lengths, labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from weft.data.audit.conflicts import Conflicts, find_conflicts
from weft.data.audit.corpus import Corpus
from weft.data.audit.distributions import Distribution, distributions
from weft.data.audit.duplicates import Duplicates, find_duplicates
from weft.data.audit.leaks import Leak, find_leaks
from weft.data.examples import LabelledText
from weft.data.splits import Splits


@dataclass(frozen=True)
class Audit:
    """What was found in the splits that a study would use."""

    name: str
    origin: str
    notes: tuple[str, ...]
    """What was decided on reading and splitting, one sentence each."""
    splits: tuple[Distribution, ...]
    duplicates: Duplicates
    leaks: tuple[Leak, ...]
    """Of validation and of test, each against train."""
    conflicts: Conflicts

    def as_json(self) -> dict[str, Any]:
        """The same in plain lists and dicts."""
        return asdict(self)


def audit(data: LabelledText, splits: Splits) -> Audit:
    """Looks through train, validation and test as `splits` has them.

    Some ten seconds for 70,000 short texts. Nothing is drawn at random, so the same data give the
    same account.
    """
    corpus = Corpus(
        {"train": splits.pool, "validation": splits.validation, "test": splits.test},
        data.label_names,
    )
    return Audit(
        name=data.name,
        origin=data.origin,
        notes=(*data.notes, *splits.notes),
        splits=distributions(corpus),
        duplicates=find_duplicates(corpus),
        leaks=find_leaks(corpus),
        conflicts=find_conflicts(corpus),
    )
