"""Tokenised examples, end to end: each tokenised once per study, then only indexed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ints = NDArray[np.int64]
_CHUNK = 4096  # texts tokenised per call; bounds the tokenizer's own working memory


@dataclass(frozen=True)
class Tokens:
    """B examples as one flat line of tokens."""

    ids: Ints  # (T,) vocabulary index
    types: Ints  # (T,) token type: 1 for the second text of a pair
    offsets: Ints  # (B + 1,) example b holds tokens offsets[b]:offsets[b + 1]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """Tokens of each example, (B,)."""
        return np.diff(self.offsets)

    def take(self, index: Ints) -> Tokens:
        """The examples at `index` (B',), in that order."""
        lengths = self.lengths[index]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        begin = np.repeat(self.offsets[index] - offsets[:-1], lengths)
        place = begin + np.arange(int(offsets[-1]))
        return Tokens(self.ids[place], self.types[place], offsets)


class Pool:
    """Examples that are tokenised when they are first taken, so that training begins at once.

    Args:
        tokenizer: of the encoder.
        texts: B texts, or first texts of pairs.
        pairs: the second texts.
        max_length: tokens that each example is cut to.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        max_length: int,
    ) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        self._texts, self._pairs = texts, pairs
        self._rows: list[tuple[Ints, Ints] | None] = [None] * len(texts)  # ids and types of each

    def __len__(self) -> int:
        return len(self._texts)

    def take(self, index: Ints) -> Tokens:
        """The examples at `index` (B',), in that order."""
        places = cast("list[int]", index.tolist())
        new = sorted({place for place in places if self._rows[place] is None})
        if new:
            texts = [self._texts[place] for place in new]
            pairs = None if self._pairs is None else [self._pairs[place] for place in new]
            tokens = tokenize(self._tokenizer, texts, pairs, self._max_length)
            for place, begin, end in zip(new, tokens.offsets, tokens.offsets[1:], strict=False):
                self._rows[place] = tokens.ids[begin:end], tokens.types[begin:end]
        rows = [cast("tuple[Ints, Ints]", self._rows[place]) for place in places]
        lengths = [len(ids) for ids, _ in rows]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        empty = np.zeros(0, dtype=np.int64)
        ids = np.concatenate([empty, *(ids for ids, _ in rows)])
        return Tokens(ids, np.concatenate([empty, *(types for _, types in rows)]), offsets)

    def part(self, index: Ints) -> Part:
        """A training set: the examples at `index` (B',), in that order."""
        return Part(self, index)


@dataclass(frozen=True)
class Part:
    """Some examples of a pool, in an order of their own."""

    pool: Pool
    index: Ints  # (B,) places in the pool

    def take(self, index: Ints) -> Tokens:
        """The examples at `index` (B',) of the part, in that order."""
        return self.pool.take(self.index[index])


def tokenize(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    max_length: int,
) -> Tokens:
    """Tokenises B texts, or pairs of texts, each cut to `max_length` tokens.

    Of a pair the longer text is cut first, as transformers does by default.
    """
    ids: list[NDArray[np.int64]] = []
    types: list[NDArray[np.int64]] = []
    lengths: list[int] = []
    for start in range(0, len(texts), _CHUNK):
        part = list(texts[start : start + _CHUNK])
        second = None if pairs is None else list(pairs[start : start + _CHUNK])
        encoded = cast(
            "dict[str, Any]",
            tokenizer(
                part,
                second,
                truncation=True,
                max_length=max_length,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=True,
                return_overflowing_tokens=False,
            ),
        )
        for row, kind in zip(encoded["input_ids"], encoded["token_type_ids"], strict=True):
            ids.append(np.asarray(row, dtype=np.int64))
            types.append(np.asarray(kind, dtype=np.int64))
            lengths.append(len(row))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    empty = np.zeros(0, dtype=np.int64)
    return Tokens(np.concatenate([empty, *ids]), np.concatenate([empty, *types]), offsets)
