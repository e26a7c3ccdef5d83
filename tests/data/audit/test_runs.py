"""Runs of words by their hashes, held against a search through the words themselves."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.data.audit.runs import Runs, sharing, whole_in
from weft.data.audit.words import normalised, words

# few words, so that runs meet; long texts too, which are sought by their first eight words
texts = st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=14).map(" ".join), max_size=8)
lengths = st.integers(1, 6)


def stands_in(part: list[str], whole: list[str]) -> bool:
    ends = range(len(whole) - len(part) + 1)
    return bool(part) and any(whole[k : k + len(part)] == part for k in ends)


def cut(some: list[str]) -> list[list[str]]:
    return [words(normalised(text)) for text in some]


@given(texts, texts)
@settings(deadline=None, max_examples=300)
def test_whole_in_finds_what_a_search_finds(parts: list[str], wholes: list[str]) -> None:
    holder, held = whole_in(Runs.of(parts), Runs.of(wholes))
    inner, outer = cut(parts), cut(wholes)
    for place, part in enumerate(inner):
        lies = [k for k, whole in enumerate(outer) if stands_in(part, whole)]
        assert (holder[place] in lies) if lies else holder[place] == -1
    for place, whole in enumerate(outer):
        holds = {k: len(part) for k, part in enumerate(inner) if stands_in(part, whole)}
        if holds:
            assert holds[int(held[place])] == max(holds.values())
        else:
            assert held[place] == -1


@given(texts, texts, lengths)
@settings(deadline=None, max_examples=300)
def test_sharing_finds_what_a_search_finds(some: list[str], others: list[str], run: int) -> None:
    outer = cut(others)
    expected = [
        any(
            stands_in(own[k : k + run], other) for other in outer for k in range(len(own) - run + 1)
        )
        for own in cut(some)
    ]
    assert sharing(Runs.of(some), Runs.of(others), run).tolist() == expected


def test_case_and_punctuation_are_not_told_apart() -> None:
    holder, held = whole_in(Runs.of(["I LOVE it!"]), Runs.of(["well , i love , it .", "i love"]))
    assert (holder.tolist(), held.tolist()) == ([0], [0, -1])


def test_words_do_not_run_from_one_text_into_the_next() -> None:
    assert whole_in(Runs.of(["b c"]), Runs.of(["a b", "c d"]))[0].tolist() == [-1]


def test_the_order_of_words_counts() -> None:
    runs = Runs.of(["a b", "b a", "a b c d", "d c b a"])
    pairs = runs.hashes(runs.offsets[:2], 2)
    fours = runs.hashes(runs.offsets[2:4], 4)
    assert len(np.unique(pairs)) == len(np.unique(fours)) == 2


def test_nothing_at_all() -> None:
    none = Runs.of([])
    assert [len(found) for found in whole_in(none, none)] == [0, 0]
    assert whole_in(Runs.of(["...", ""]), Runs.of(["a"]))[0].tolist() == [-1, -1]
    assert whole_in(Runs.of(["a"]), none)[0].tolist() == [-1]
    assert sharing(none, none, 4).tolist() == []


def test_tokens_count_punctuation_that_stands_alone() -> None:
    one, other = ["x . y z"], ["w . y z"]
    assert not sharing(Runs.of(one), Runs.of(other), 3)[0]
    assert sharing(Runs.of(one, str.split), Runs.of(other, str.split), 3)[0]
