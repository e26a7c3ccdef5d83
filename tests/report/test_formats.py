"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from weft.report import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0064498, "0.64 %"),
        (0.0027, "0.27 %"),
        (0.0099999, "1.0 %"),
        (0.0999, "10 %"),
        (0.5, "50 %"),
        (0.999, "100 %"),
        (1.0, "100 %"),
        (0.0000336, "0.0034 %"),
        (0.0, "0 %"),
        (None, formats.MISSING),
    ],
)
def test_shares_have_two_significant_digits(value: float | None, text: str) -> None:
    assert formats.share(value) == text


def test_the_usual_numbers() -> None:
    assert formats.percent(0.8519) == "85.2 %"
    assert formats.percent(1.0) == "100.0 %"
    assert formats.points(-0.0114) == "1.1"
    assert formats.three(0.3636) == "0.364"
    assert formats.whole(22_861_826) == "22,861,826"
    assert formats.short(12.345) == "12.3"
    assert formats.short(99.96) == "100"
    assert formats.short(1234.5) == "1,234"
    assert formats.few(4.0) == "4"
    assert formats.few(4.67) == "4.7"
    assert formats.count(1, "seed") == "1 seed"
    assert formats.count(1200, "seed") == "1,200 seeds"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8, "80 %"),
        (0.57, "57 %"),  # 100 times the float is 56.99999999999999
        (0.975, "97.5 %"),
        (0.9995, "99.95 %"),
        (0.00001, "0.001 %"),
        (1.0, "100 %"),
    ],
)
def test_a_chosen_share_keeps_its_digits(value: float, text: str) -> None:
    assert formats.percent_whole(value) == text


def test_what_is_missing_or_no_number_is_a_dash() -> None:
    plain = (formats.percent, formats.points, formats.three, formats.whole)
    for write in (*plain, formats.short, formats.few, formats.share):
        for value in (None, math.nan, math.inf):
            assert write(value) == formats.MISSING


def test_the_spread_says_what_it_is() -> None:
    assert formats.spread(1, None, 0.8, 0.8) == "one seed"
    assert formats.spread(2, 0.02, 0.8411, 0.8633) == "84.1\u201386.3"
    assert formats.spread(3, 0.0114, 0.84, 0.86) == "SD 1.1"
    assert formats.spread(3, None, None, None) == formats.MISSING


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (None, formats.MISSING),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (43_210, "43 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (90_870_000, "91 MB"),
        (4.56e9, "4.6 GB"),
        (7e15, "7000 TB"),
    ],
)
def test_sizes_in_bytes(number: float | None, words: str) -> None:
    assert formats.size(number) == words
