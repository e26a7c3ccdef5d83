"""The confusion matrix: words on a cell can be read at every shade, in light, dark and print."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = (files("weft.report.page") / "templates" / "page.css").read_text(encoding="utf-8")
LIGHT, DARK = re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL)[:2]
Colour = tuple[float, ...]


def value(scheme: str, name: str) -> str:
    found = re.search(rf"--{name}: ([^;]+);", scheme)
    assert found, name
    return found[1]


def colour(text: str) -> Colour:
    return tuple(int(text[k : k + 2], 16) for k in (1, 3, 5))


def mixed(over: Colour, under: Colour, alpha: float) -> Colour:
    return tuple(alpha * a + (1 - alpha) * b for a, b in zip(over, under, strict=True))


def luminance(own: Colour) -> float:
    """WCAG 2's relative luminance."""
    parts = [c / 255 for c in own]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: Colour, b: Colour) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_wcags() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast(colour("#767676"), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


def test_every_cell_is_shaded_by_what_is_tested_here() -> None:
    """Share and count go by the same formula, so that one test holds for both."""
    for by in ("share", "count"):
        assert f"calc(var(--faint) + var(--deep) * var(--{by}))" in CSS
    assert len(re.findall(r"\.matrix td \{ background", CSS)) == 2


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_words_on_a_cell_can_be_read(scheme: str) -> None:
    ink, ground = colour(value(scheme, "ink")), colour(value(scheme, "ground"))
    shade = tuple(float(part) for part in value(scheme, "shade").split(","))
    faint, deep = float(value(scheme, "faint")), float(value(scheme, "deep"))
    pointed_at = mixed(ink, ground, 0.05)  # a row under the pointer
    for under in (ground, pointed_at, *([(255.0,) * 3] if scheme is LIGHT else [])):
        for share in range(101):
            cell = mixed(shade, under, faint + deep * share / 100)
            assert contrast(ink, cell) >= 4.5, f"at {share} %: {contrast(ink, cell):.2f}"
