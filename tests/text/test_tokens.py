"""Tokenised once, in chunks, to what transformers gives for each text by itself."""

from __future__ import annotations

import pytest

from weft.text import tokens as module
from weft.text.tokens import tokenize

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
