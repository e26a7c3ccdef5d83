"""What is known of the real sets is found in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from weft.config import DataSettings
from weft.data.audit.audit import audit
from weft.data.audit.runs import Runs, whole_in
from weft.data.sources import LabelledText
from weft.data.splits import split

Read = Callable[..., LabelledText]


@pytest.mark.slow
def test_sst2(shared: Path, read: Read) -> None:
    data = read("sst2", folder=str(shared / "sst2"))
    splits = split(data, DataSettings(source="sst2", validation_size=1000), None)
    found = audit(data, splits)
    exact = found.duplicates.exact
    assert exact.groups == 371  # of two each, over train and what was drawn from it
    assert sum(exact.spare.values()) + exact.across["validation in train"] == 371
    assert exact.across["test in train"] == 0
    validation, test = found.leaks
    assert validation.either == 1000
    assert validation.share_run == share(splits.validation.texts, splits.pool.texts) == 724
    assert test.share_run == share(data.test.texts, splits.pool.texts)
    assert found.conflicts.texts == 5


def share(texts: tuple[str, ...], others: tuple[str, ...]) -> int:
    def runs(text: str) -> set[tuple[str, ...]]:
        tokens = text.split()
        return {tuple(tokens[k : k + 4]) for k in range(len(tokens) - 3)}

    there = set().union(*map(runs, others))
    return sum(not runs(text).isdisjoint(there) for text in texts)


def test_sst2_disjoint(shared: Path, read: Read) -> None:
    data = read("sst2", folder=str(shared / "sst2"))
    random = DataSettings(source="sst2", validation_size=1000, balance="balanced")
    disjoint = random.model_copy(update={"validation": "disjoint"})
    before, after = (split(data, chosen, (1000, 8000, 56000)) for chosen in (random, disjoint))
    assert after.validation.texts == before.validation.texts
    counts = np.bincount(after.pool.labels)
    assert after.sizes == (1000, 8000, after.available)
    assert after.available == 2 * counts.min() + 1 < 56000
    taken = np.bincount(after.train(after.available, 0).labels)
    assert abs(int(taken[0]) - int(taken[1])) == 1
    pool, own = Runs.of(after.pool.texts), Runs.of(after.validation.texts)
    for parts, wholes in ((pool, own), (own, pool)):
        assert whole_in(parts, wholes)[0].max() == -1


def test_trec6(shared: Path, read: Read) -> None:
    data = read(shared / "trec6")
    found = audit(data, split(data, DataSettings(), None))
    assert found.duplicates.exact.across["test in train"] == 11
    (conflict,) = found.conflicts.shown
    assert conflict.labels == {"DESC": 1, "LOC": 1}
