"""Sizes as typed: whole numbers, ladders and both; what cannot be meant is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.data.sizes import sizes_of
from weft.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("250", (250,)),
        ("250, 1_000,4000", (250, 1000, 4000)),
        ("250:16000:7", (250, 500, 1000, 2000, 4000, 8000, 16000)),
        ("250:16000:7,56000", (250, 500, 1000, 2000, 4000, 8000, 16000, 56000)),
        ("100, 1000:4000:2", (100, 1000, 4000)),
        ("140:2250:5", (140, 280, 561, 1124, 2250)),
        ("1:3:3", (1, 2, 3)),
    ],
)
def test_sizes_as_typed(text: str, sizes: tuple[int, ...]) -> None:
    assert sizes_of(text) == sizes


@given(st.integers(1, 5000), st.integers(2, 200), st.integers(2, 9))
def test_a_ladder_has_both_ends_and_even_steps(first: int, factor: int, count: int) -> None:
    last = first * factor + 20
    step = (last / first) ** (1 / (count - 1))
    if first * (step - 1) <= 1:  # the first two may round to one number
        return
    ladder = sizes_of(f"{first}:{last}:{count}")
    assert (ladder[0], ladder[-1], len(ladder)) == (first, last, count)
    for place, size in enumerate(ladder):
        assert abs(size - first * step**place) <= 0.5 + 1e-6 * last


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("many", "whole numbers"),
        ("16,", "whole numbers"),
        ("", "whole numbers"),
        ("2.5", "whole numbers"),
        ("-4", "whole numbers"),
        ("²", "whole numbers"),
        ("250:16000", "FROM:TO:COUNT"),
        ("250:16000:7:2", "FROM:TO:COUNT"),
        ("250::7", "whole numbers"),
        ("16000:250:7", "smaller size first"),
        ("0:250:7", "at least 1"),
        ("250:250:2", "smaller size first"),
        ("250:16000:1", "2 or more"),
        ("1:3:4", "fewer"),
        ("10:20:999999999999", "fewer"),
    ],
)
def test_what_is_no_size_is_refused(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sizes_of(text, "--sizes")
    assert part in str(caught.value)
    assert "--sizes" in str(caught.value)
    assert caught.value.remedy
