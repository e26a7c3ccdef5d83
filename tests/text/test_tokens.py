"""Tokenised once, in chunks, to what transformers gives for each text by itself."""

from __future__ import annotations

import numpy as np
import pytest

from weft.text import tokens as module
from weft.text.tokens import Pool, tokenize

from ..tiny import KINDS, texts, tokenizer_of

TEXTS = texts(11, seed=1, longest=30)
PAIRS = texts(11, seed=2, longest=30)


@pytest.mark.parametrize("limit", [300, 12])
@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_text_as_by_itself(
    kind: str, pairs: list[str] | None, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4)  # so that there are several, the last a short one
    tokenizer = tokenizer_of(kind)
    got = tokenize(tokenizer, TEXTS, pairs, limit)
    assert len(got) == len(TEXTS)
    for index, text in enumerate(TEXTS):
        second = None if pairs is None else pairs[index]
        alone = tokenizer(
            text, second, truncation=True, max_length=limit, return_token_type_ids=True
        )
        own = slice(got.offsets[index], got.offsets[index + 1])
        assert got.ids[own].tolist() == alone["input_ids"]
        assert got.types[own].tolist() == alone["token_type_ids"]
    assert got.lengths.max() <= limit
    if limit == 12:
        assert (got.lengths == 12).any()
    kinds = {0, 1} if pairs is not None and kind != "roberta" else {0}
    assert set(got.types.tolist()) == kinds


def test_no_text_gives_no_example() -> None:
    got = tokenize(tokenizer_of("bert"), [], None, 10)
    assert len(got) == 0
    assert got.ids.size == got.types.size == 0


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
def test_a_pool_tokenises_what_is_taken_and_each_text_once(
    pairs: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizer_of("bert")
    all_at_once = tokenize(tokenizer, TEXTS, pairs, 20)
    seen: list[str] = []

    def spy(tokenizer: object, texts: list[str], *rest: object) -> object:
        seen.extend(texts)
        return tokenize(tokenizer, texts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "tokenize", spy)
    pool = Pool(tokenizer, TEXTS, pairs, 20)
    part = pool.part(np.array([7, 3, 9, 3]))
    for index in ([0, 1], [2], [3, 1, 0], []):
        got = part.take(np.array(index, dtype=np.int64))
        expected = all_at_once.take(part.index[index])
        for name in ("ids", "types", "offsets"):
            ours, theirs = getattr(got, name), getattr(expected, name)
            assert ours.dtype == theirs.dtype
            assert ours.tolist() == theirs.tolist()
    assert seen == [TEXTS[3], TEXTS[7], TEXTS[9]]
    assert len(pool) == len(TEXTS)


def test_a_tokenizer_that_reads_otherwise_than_its_rust_part_is_asked_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What transformers makes of a text counts, not what stands behind it."""
    tokenizer = tokenizer_of("bert")
    kind = type(tokenizer)
    once = tokenize(tokenizer, TEXTS, None, 300)

    def louder(self: object, texts: list[str], *rest: object, **options: object) -> object:
        return plain(self, [f"{text} {text}" for text in texts], *rest, **options)

    plain = kind.__call__
    monkeypatch.setattr(kind, "__call__", louder)
    twice = tokenize(tokenizer, TEXTS, None, 300)
    assert (twice.lengths == 2 * once.lengths - 2).all()  # but for the marks at both ends
