"""How numbers and words are written for people: one place, so that all tables agree."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

MISSING = "\u2013"
"""Stands where there is nothing to show."""
_UNITS = ("B", "kB", "MB", "GB", "TB")


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def percent(share: float | None) -> str:
    """A share of 0 to 1 as per cent with one decimal: `85.2 %`."""
    return f"{100 * share:.1f} %" if share is not None and _known(share) else MISSING


def points(share: float | None) -> str:
    """A difference of shares in percentage points with one decimal, unsigned: `1.1`."""
    return f"{100 * abs(share):.1f}" if share is not None and _known(share) else MISSING


def three(value: float | None) -> str:
    """Three decimals: F1, precision, recall, loss."""
    return f"{value:.3f}" if value is not None and _known(value) else MISSING


def whole(value: float | None) -> str:
    """A whole number with separators between thousands."""
    return f"{round(value):,}" if value is not None and _known(value) else MISSING


def share(value: float | None) -> str:
    """A share of 0 to 1 as per cent with two significant digits: `0.64 %`, `100 %`."""
    if value is None or not _known(value):
        return MISSING
    rounded = float(f"{100 * value:.2g}")
    decimals = max(0, 1 - math.floor(math.log10(rounded))) if rounded else 0
    return f"{rounded:.{decimals}f} %"


def percent_whole(value: float) -> str:
    """A share that somebody chose, with the digits that it has: `80 %`, `99.95 %`."""
    exact = 100 * Decimal(repr(float(value)))  # a float's product may end in a digit of noise
    return f"{exact.normalize():f} %"


def short(value: float | None) -> str:
    """A measured amount such as seconds: one decimal below 100, none above."""
    if value is None or not _known(value):
        return MISSING
    return f"{value:.1f}" if abs(value) < 99.95 else whole(value)


def in_seconds(value: float | None) -> str:
    """A time within a sentence: `12.3 seconds`; never none at all."""
    text = short(value)
    return "less than 0.1 seconds" if text == "0.0" else f"{text} seconds"


def size(value: float | None) -> str:
    """Bytes in the units of disks, thousands: `850 kB`, `1.2 MB`, `91 MB`."""
    if value is None or not _known(value):
        return MISSING
    unit = 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    decimals = 1 if unit and abs(value) < 9.95 else 0
    return f"{value:.{decimals}f} {_UNITS[unit]}"


def few(value: float | None) -> str:
    """A mean of small whole numbers: a decimal only where there is one."""
    if value is None or not _known(value):
        return MISSING
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def spread(seeds: int, sd: float | None, low: float | None, high: float | None) -> str:
    """How far the accuracies of seeds lie apart, in points: `SD 1.1`; of two, both ends."""
    if seeds < 2:
        return "one seed" if seeds else MISSING
    both = ends(low, high)
    return both if seeds == 2 or both == MISSING else f"SD {points(sd)}"


def ends(low: float | None, high: float | None) -> str:
    """Both ends of an interval of a share, in per cent, in a narrow column."""
    if low is None or high is None or not _known(low) or not _known(high):
        return MISSING
    return f"{100 * low:.1f}\u2013{100 * high:.1f}"


def with_ends(text: str, low: str, high: str) -> str:
    """A score and its interval: `77.4 % (74.9 to 79.7)`; alone where there is none."""
    return text if MISSING in (low, high) else f"{text} ({low} to {high})"


def count(number: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{whole(number)} {noun}" if number == 1 else f"{whole(number)} {noun}s"
