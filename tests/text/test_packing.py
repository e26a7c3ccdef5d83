"""Packing loses nothing, mixes nothing and can be undone: property tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.text.packing import Strips, pack, pack_for_inference, strip_width
from weft.text.tokens import Tokens

PAD = 999
lengths = st.lists(st.integers(1, 70), min_size=1, max_size=25)
batches = st.lists(lengths, min_size=1, max_size=4)
widths = st.one_of(st.none(), st.integers(1, 200))


def tokens_of(lengths: list[int], first: int = 1000) -> Tokens:
    """Examples of these lengths; no two tokens are the same."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.arange(first, first + offsets[-1])
    return Tokens(ids, ids % 2, offsets)


def packed(batches: list[list[int]], width: int | None) -> tuple[list[tuple[int, Tokens]], Strips]:
    """Batches under slots 7, 5, 3, ... and their strips."""
    runs = [(7 - 2 * k, tokens_of(own, 1000 * (k + 1))) for k, own in enumerate(batches)]
    return runs, pack(runs, pad=PAD, width=width)


def rows_of(strips: Strips, example: int) -> tuple[int, np.ndarray]:
    """The strip that holds an example, and its places there."""
    strip, place = np.nonzero(strips.example == example)
    assert len(set(strip.tolist())) == 1, "an example is cut in two"
    return int(strip[0]), place


@given(batches=batches, width=widths)
def test_every_example_lies_whole_in_one_strip(batches: list[list[int]], width: int | None) -> None:
    runs, strips = packed(batches, width)
    shape = strips.ids.shape
    assert shape == strips.types.shape == strips.positions.shape == strips.example.shape
    if width is not None:
        assert shape[1] == max(width, *(length for own in batches for length in own))
    begin = 0
    for _, tokens in runs:
        for own in range(len(tokens)):
            ids = tokens.ids[tokens.offsets[own] : tokens.offsets[own + 1]]
            types = tokens.types[tokens.offsets[own] : tokens.offsets[own + 1]]
            strip, place = rows_of(strips, begin + own)
            assert place.tolist() == list(range(place[0], place[0] + len(ids)))
            assert strips.ids[strip, place].tolist() == ids.tolist()
            assert strips.types[strip, place].tolist() == types.tolist()
            assert strips.positions[strip, place].tolist() == list(range(len(ids)))
        begin += len(tokens)
    assert begin == len(strips.lengths) == strips.example.max() + 1


@given(batches=batches, width=widths)
def test_places_lead_to_the_canonical_order_and_back(
    batches: list[list[int]], width: int | None
) -> None:
    runs, strips = packed(batches, width)
    ids = np.concatenate([tokens.ids for _, tokens in runs])
    assert strips.ids.ravel()[strips.place].tolist() == ids.tolist()
    assert len(set(strips.place.tolist())) == len(ids)  # no two tokens in one place
    filled = strips.example.ravel() >= 0
    assert ids[strips.source[filled]].tolist() == strips.ids.ravel()[filled].tolist()
    assert strips.lengths.tolist() == [length for own in batches for length in own]


@given(batches=batches, width=widths)
def test_what_is_empty_is_marked(batches: list[list[int]], width: int | None) -> None:
    _, strips = packed(batches, width)
    empty = strips.example < 0
    assert (strips.ids[empty] == PAD).all()
    assert not strips.types[empty].any()
    assert not strips.positions[empty].any()
    assert not strips.source[empty.ravel()].any()
    assert (strips.ids[~empty] != PAD).all()
    assert strips.fill == (~empty).mean()
    assert 0 < strips.fill <= 1
    assert (~empty).any(axis=1).all()  # no strip for nothing


@given(batches=batches, width=widths)
def test_the_strips_of_a_run_lie_side_by_side(batches: list[list[int]], width: int | None) -> None:
    runs, strips = packed(batches, width)
    assert [segment.slot for segment in strips.segments] == [slot for slot, _ in runs]
    row = example = 0
    for segment, (_, tokens) in zip(strips.segments, runs, strict=True):
        assert (segment.examples, segment.tokens) == (len(tokens), len(tokens.ids))
        own = strips.example[row : row + segment.strips]
        expected = set(range(example, example + segment.examples))
        assert set(own[own >= 0].tolist()) == expected
        row, example = row + segment.strips, example + segment.examples
    assert row == len(strips.ids)


@given(batches=batches, width=widths)
def test_a_run_is_packed_as_if_it_were_alone(batches: list[list[int]], width: int | None) -> None:
    """Of equal strip width: neighbours do not decide which examples share a strip."""
    runs, strips = packed(batches, width)
    row = 0
    for segment, run in zip(strips.segments, runs, strict=True):
        alone = pack([run], pad=PAD, width=strips.ids.shape[1])
        assert (strips.ids[row : row + segment.strips] == alone.ids).all()
        row += segment.strips


@given(own=lengths)
def test_strips_are_filled(own: list[int]) -> None:
    """Best fit leaves no two strips that would fit into one."""
    width = strip_width(np.array(own))
    assert width % 8 == 0
    assert width >= max(own)
    strips = pack([(0, tokens_of(own))], pad=PAD)
    assert strips.ids.shape[1] == width
    used = sorted((strips.example >= 0).sum(axis=1).tolist())
    assert len(used) < 2 or used[0] + used[1] > width


@given(own=lengths, few=st.integers(1, 60))
@settings(max_examples=60)
def test_inference_takes_each_example_once(own: list[int], few: int) -> None:
    tokens = tokens_of(own)
    steps = pack_for_inference(tokens, pad=PAD, strips=few)
    index = np.concatenate([index for index, _ in steps])
    assert sorted(index.tolist()) == list(range(len(own)))
    assert (np.diff(tokens.lengths[index]) >= 0).all()
    for taken, strips in steps:
        assert [segment.slot for segment in strips.segments] == [0]
        ids = tokens.take(taken).ids
        assert strips.ids.ravel()[strips.place].tolist() == ids.tolist()


def test_a_width_below_the_longest_example_is_widened() -> None:
    assert pack([(0, tokens_of([3, 50]))], pad=PAD, width=8).ids.shape[1] == 50


def test_short_examples_share_a_strip() -> None:
    strips = pack([(0, tokens_of([10] * 12))], pad=PAD, width=60)
    assert strips.ids.shape == (2, 60)
    assert strips.fill == 1


@pytest.mark.parametrize("index", [[], [2], [3, 0, 0, 1]])
def test_take(index: list[int]) -> None:
    tokens = tokens_of([2, 5, 1, 3])
    taken = tokens.take(np.array(index, dtype=np.int64))
    rows = [tokens.ids[tokens.offsets[k] : tokens.offsets[k + 1]].tolist() for k in index]
    assert len(taken) == len(index)
    assert taken.ids.tolist() == [token for row in rows for token in row]
    assert taken.types.tolist() == (taken.ids % 2).tolist()
    assert taken.lengths.tolist() == [len(row) for row in rows]
