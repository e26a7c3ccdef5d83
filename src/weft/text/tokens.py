"""Tokenised examples, end to end: each tokenised once per study, then only indexed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace
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
        place, offsets = places(self.offsets, index)
        return Tokens(self.ids[place], self.types[place], offsets)


def places(offsets: Ints, index: Ints) -> tuple[Ints, Ints]:
    """Where the tokens of the examples at `index` (B',) lie, (T',), and the examples' offsets when
    those are laid end to end, (B' + 1,).

    Args:
        offsets: (B + 1,) of all examples.
    """
    begin = offsets[index]
    lengths = offsets[index + 1] - begin
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return np.repeat(begin - ends[:-1], lengths) + np.arange(int(ends[-1])), ends


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
    lines: list[Any] = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
    read: list[Any] = []
    if lines:
        encode = _encoder(tokenizer, lines[0], max_length)
        for start in range(0, len(lines), _CHUNK):
            read.extend((e.ids, e.type_ids) for e in encode(lines[start : start + _CHUNK]))
    lengths = np.fromiter((len(ids) for ids, _ in read), np.int64, len(read))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    ids = np.fromiter(chain.from_iterable(ids for ids, _ in read), np.int64, int(offsets[-1]))
    types = np.fromiter(chain.from_iterable(t for _, t in read), np.int64, int(offsets[-1]))
    return Tokens(ids, types, offsets)


def _encoder(
    tokenizer: PreTrainedTokenizerBase, line: Any, max_length: int
) -> Callable[[list[Any]], Sequence[Any]]:
    """What reads texts, or (text, text), into things with `ids` and `type_ids`.

    transformers sets its Rust tokenizer up when it is called, and then spends more time on making
    lists of what that gave than on anything else: here it is called for one text, and the others
    go to the Rust tokenizer themselves, without the places of their tokens that nobody asks for.
    """
    pairs = not isinstance(line, str)

    def by_transformers(lines: list[Any]) -> list[Any]:
        ones, others = map(list, zip(*lines, strict=True)) if pairs else (lines, None)
        called = cast("Any", tokenizer)(
            ones,
            others,
            truncation=True,
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=True,
            return_overflowing_tokens=False,
        )
        both = zip(called["input_ids"], called["token_type_ids"], strict=True)
        return [SimpleNamespace(ids=ids, type_ids=types) for ids, types in both]

    (theirs,) = by_transformers([line])
    encode = getattr(getattr(tokenizer, "backend_tokenizer", None), "encode_batch_fast", None)
    if encode is None:
        return by_transformers
    (ours,) = encode([line])
    same = (ours.ids, ours.type_ids) == (theirs.ids, theirs.type_ids)
    return encode if same else by_transformers
