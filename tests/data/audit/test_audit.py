"""What an audit tells of small data sets whose faults are known."""

from __future__ import annotations

import json

import numpy as np

from weft.data.audit.audit import Audit, audit
from weft.data.audit.corpus import Corpus
from weft.data.audit.duplicates import find_duplicates
from weft.data.audit.leaks import find_leaks
from weft.data.examples import Examples, LabelledText
from weft.data.splits import Splits

LONG = "the plot is thin but the actors are a joy to watch from the first scene"


def part(*rows: tuple[str, int], pairs: tuple[str, ...] | None = None) -> Examples:
    labels = np.array([label for _, label in rows], np.int64)
    lines = np.arange(len(rows)) + 2
    return Examples(tuple(text for text, _ in rows), pairs, labels, lines)


def audited(train: Examples, validation: Examples, test: Examples) -> Audit:
    data = LabelledText("set", ("no", "yes"), 1, train, validation, test, "Made here.", {}, ("n",))
    return audit(data, Splits("set", train, validation, test, "balanced", len(train), (), ("s",)))


def small() -> Audit:
    return audited(
        part(
            ("A joy", 1), ("a  JOY", 1), ("a joy", 0), (LONG, 1), ("dull", 0),
            ("never again, I thought", 0), ("unlike all others", 1), ("!!!", 0),
        ),
        part((f"{LONG} on", 1), ("Never again", 0), ("dull", 0)),
        part(("it is dull and slow", 0), ("a joy", 1), ("nothing in common here", 0)),
    )  # fmt: skip


def test_exact_repeats() -> None:
    exact = small().duplicates.exact
    assert exact.spare == {"train": 2, "validation": 0, "test": 0}
    assert exact.across == {"validation in train": 1, "test in train": 1, "test in validation": 0}
    assert (exact.groups, exact.largest) == (2, 4)


def test_near_repeats_are_counted_beside_exact_ones() -> None:
    near = small().duplicates.near
    assert near.spare == {"train": 0, "validation": 0, "test": 0}
    assert near.across == {"validation in train": 1, "test in train": 0, "test in validation": 0}
    (group,) = near.shown
    assert {row.text for row in group.rows} == {LONG, f"{LONG} on"}


def test_leaks_are_told_apart() -> None:
    validation, test = small().leaks
    # LONG on contains LONG; Never again lies in its train example; dull does both
    assert (validation.contain, validation.contain_run, validation.lie_in) == (2, 1, 2)
    assert (validation.either, validation.share_run) == (3, 1)
    assert validation.train == 6  # all but the last two: LONG holds a joy, which stands thrice
    assert (test.contain, test.contain_run, test.lie_in, test.either) == (2, 0, 1, 2)
    assert test.share_run == 0
    assert test.train == 5  # dull, a joy three times, and LONG, which holds it
    longest = validation.shown[0]
    assert (longest.how, longest.row.text, longest.train.text) == ("contains", f"{LONG} on", LONG)
    assert (longest.train.split, longest.train.index, longest.train.line) == ("train", 3, 5)


def test_conflicts_reach_across_splits() -> None:
    conflicts = small().conflicts
    assert conflicts.texts == 1
    assert conflicts.examples == {"train": 3, "validation": 0, "test": 1}
    (conflict,) = conflicts.shown
    assert conflict.labels == {"no": 1, "yes": 3}
    assert {row.label for row in conflict.rows} == {"no", "yes"}


def test_lengths_and_labels() -> None:
    train, validation, _ = small().splits
    assert train.labels == {"no": 4, "yes": 4}
    assert (train.shortest, train.longest, train.wordless) == (0, 16, 1)
    assert train.quantiles["0.5"] == 2
    assert (validation.examples, validation.mean_words) == (3, 20 / 3)


def test_it_is_json() -> None:
    found = small()
    tree = json.loads(json.dumps(found.as_json()))
    assert tree["notes"] == ["n", "s"]
    assert tree["leaks"][0]["shown"][0]["row"]["line"] == 2


def test_a_pair_counts_as_one_text() -> None:
    one = part(("same", 0), ("same", 1), ("same", 1), pairs=("first", "second", "First"))
    other = part(("the same", 0), ("same first", 0), pairs=("first one", "first"))
    corpus = Corpus({"train": one, "test": other}, ("no", "yes"))
    assert find_duplicates(corpus).exact.spare["train"] == 1
    (leak,) = find_leaks(corpus)
    assert (leak.contain, leak.lie_in) == (1, 0)
    found = audited(one, other, other)
    assert found.splits[0].mean_words == 2
    assert found.conflicts.examples == {"train": 2, "validation": 0, "test": 0}
