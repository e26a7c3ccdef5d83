"""Near pairs: none that is wrong, and of those that are right almost all."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.data.audit.near import SHINGLE, THRESHOLD, near_pairs, shingles


def jaccard(one: str, other: str) -> float:
    def of(text: str) -> set[str]:
        padded = text.ljust(SHINGLE, "\0")
        return {padded[k : k + SHINGLE] for k in range(len(padded) - SHINGLE + 1)}

    return len(of(one) & of(other)) / len(of(one) | of(other))


def sentences(count: int, seed: int) -> list[str]:
    """Made-up sentences of 4 to 25 words out of 300."""
    random = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = ["".join(random.choice(letters, size=random.integers(2, 9))) for _ in range(300)]
    return [" ".join(random.choice(vocabulary, size=random.integers(4, 26))) for _ in range(count)]


@given(st.lists(st.text("ab ", max_size=12), max_size=12, unique=True))
@settings(deadline=None)
def test_every_pair_is_near(texts: list[str]) -> None:
    pairs = near_pairs(texts)
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs)
    for first, second in pairs.tolist():
        assert first < second
        assert jaccard(texts[first], texts[second]) >= THRESHOLD


def test_almost_all_near_pairs_are_found() -> None:
    random = np.random.default_rng(1)
    texts = sentences(300, seed=0)
    for text in texts[:200]:  # a copy with a character or a word changed
        place = int(random.integers(len(text)))
        texts.append(f"{text[:place]}z{text[place + int(random.integers(0, 3)) :]}")
    texts = list(dict.fromkeys(texts))
    found = {tuple(pair) for pair in near_pairs(texts).tolist()}
    right = {
        (i, j)
        for (i, one), (j, other) in itertools.combinations(enumerate(texts), 2)
        if abs(len(one) - len(other)) < 30 and jaccard(one, other) >= THRESHOLD
    }
    assert len(right) > 100
    assert found <= right
    assert len(found) >= 0.98 * len(right)


def test_shingles_lie_within_their_text() -> None:
    hashes, owners = shingles(["abcdef", "ab", "", "abcde"])
    assert owners.tolist() == [0, 0, 1, 2, 3]
    assert hashes[0] == hashes[4]
    assert len(np.unique(hashes)) == 4


def test_nothing_at_all() -> None:
    assert near_pairs([]).shape == (0, 2)
    assert near_pairs(["alone"]).shape == (0, 2)


@pytest.mark.slow
def test_seventy_thousand_short_texts_take_less_than_a_minute() -> None:
    texts = list(dict.fromkeys(sentences(70_000, seed=2)))
    began = time.process_time()
    near_pairs(texts)
    assert time.process_time() - began < 60
