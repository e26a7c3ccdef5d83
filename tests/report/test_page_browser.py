"""The page in a browser: pointing, filters, sorting, searching, dark, narrow, keys, print."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.report import gather, read, versus
from weft.report.page import versus_page

from ..browser import opened, serious, width
from .pages import NASTY, page_of, seen

pytestmark = pytest.mark.slow
MakeStudy = Callable[..., Path]


@pytest.fixture
def address(make_predicted: MakeStudy, tmp_path: Path) -> str:
    """A page with three sizes, two methods, texts that would do harm, and a long one."""
    folder = make_predicted(sizes=(250, 1000, 4000), seeds=2, examples=200)
    texts = {f"t{k}": NASTY if k % 2 else "y" * 10_000 for k in range(200)}
    (tmp_path / "report.html").write_text(page_of(folder, seen(200, **texts)), encoding="utf-8")
    return (tmp_path / "report.html").as_uri()


@pytest.fixture
def many(make_study: MakeStudy, tmp_path: Path) -> str:
    """A page with 77 classes."""
    names = [f"a_rather_long_intent_name_{number}" for number in range(77)]
    folder = make_study(
        sizes=(500, 1000), seeds=1, methods=("lora",), classes=77, label_names=names, epochs=2
    )
    (tmp_path / "report.html").write_text(page_of(folder), encoding="utf-8")
    return (tmp_path / "report.html").as_uri()


@pytest.mark.parametrize(("scheme", "wide"), [("light", 390), ("dark", 1200)])
def test_nothing_is_cut_nor_serious(browser: Any, address: str, scheme: str, wide: int) -> None:
    page, said = opened(
        browser, address, color_scheme=scheme, viewport={"width": wide, "height": 844}
    )
    for summary in page.locator("summary").all():
        summary.click()
    assert width(page) <= wide
    if wide == 1200:
        cut = page.locator("#calibration .wide.more")
        assert [one.get_attribute("aria-label") for one in cut.all()] == []
    assert serious(page) == []
    assert said == []


def test_every_point_says_its_run(browser: Any, address: str) -> None:
    page, said = opened(browser, address)
    chart = page.locator("#curve [data-chart]")
    points = chart.locator("[role=img]").all()
    assert len(points) == 2 * 3 * 2 + 2 * 3
    told: set[str] = set()
    for point in points:
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert page.is_visible("#tip")
        told.add(page.inner_text("#tip"))
    assert {one for one in told if "(run " in one}, "at least the points that no other hides"
    page.mouse.move(0, 0)
    assert not page.is_visible("#tip")
    # with the keyboard every one is reached, in turn
    chart.focus()
    told = set()
    for _ in points:
        page.keyboard.press("ArrowRight")
        told.add(page.inner_text("#tip"))
    assert told == {str(point.get_attribute("aria-label")) for point in points}
    page.keyboard.press("Escape")
    assert not page.is_visible("#tip")
    assert said == []


def test_a_method_is_switched_off_in_curve_and_tables(browser: Any, address: str) -> None:
    page, said = opened(browser, address)
    rows = page.locator("#scores .wide tbody tr")
    before = rows.filter(has_text="tfidf", visible=True).count()
    assert before > 0
    page.get_by_role("button", name="tfidf").press("Enter")
    assert page.get_attribute(".chip[data-method=tfidf]", "aria-pressed") == "false"
    assert not page.locator("#curve [data-series=tfidf]").first.is_visible()
    assert page.locator("#curve [data-series=lora]").first.is_visible()
    assert rows.filter(has_text="tfidf", visible=True).count() == 0
    page.get_by_role("button", name="tfidf").click()
    assert rows.filter(has_text="tfidf", visible=True).count() == before
    assert said == []


def test_every_column_of_every_table_sorts(browser: Any, address: str) -> None:
    page, said = opened(browser, address)
    for summary in page.locator("summary").all():
        summary.click()
    buttons = page.locator(".wide th button").all()
    assert len(buttons) > 60
    for button in buttons:
        button.evaluate("button => button.click()")
        assert button.evaluate("b => b.parentElement.ariaSort") == "ascending"
    disk = page.locator("#scores table", has_text="on disk").locator("th", has_text="on disk")
    place = disk.evaluate("th => th.cellIndex")
    for _ in range(2):
        disk.locator("button").click()
        column = page.locator("#scores table", has_text="on disk").locator(
            f"tbody td:nth-child({place + 1})"
        )
        texts = column.all_inner_texts()
        scale = {"kB": 1e3, "MB": 1e6}
        sizes = [float(n) * scale[unit] for n, unit in (text.split() for text in texts)]
        up = disk.get_attribute("aria-sort") == "ascending"
        assert sizes == sorted(sizes, reverse=not up)
    assert said == []


def test_examples_are_found(browser: Any, address: str) -> None:
    page, said = opened(browser, address)
    items = page.locator(".examples > li")
    total = items.count()
    assert items.filter(visible=True).count() == total > 10
    assert page.locator(".examples script").count() == 0
    page.fill("[name=words]", "<script>")
    found = items.filter(visible=True).count()
    assert 0 < found < total
    assert page.inner_text(".mistakes output") == f"{found} of {total} examples"
    page.fill("[name=words]", "nowhere to be found")
    assert items.filter(visible=True).count() == 0
    page.fill("[name=words]", "")
    for name, value, kept in (("kind", "sizes", "kinds"), ("label", "positive", "label")):
        page.select_option(f"[name={name}]", value)
        shown = items.filter(visible=True)
        assert 0 < shown.count() < total
        for item in shown.all():
            assert value in str(item.get_attribute(f"data-{kept}"))
        page.select_option(f"[name={name}]", "")
    for order, down in (("sure", True), ("spread", True), ("index", False), ("given", False)):
        page.select_option("[name=order]", order)
        values = [float(str(one.get_attribute(f"data-{order}"))) for one in items.all()]
        assert values == sorted(values, reverse=down)
    assert said == []


def test_a_matrix_of_77_classes(browser: Any, many: str) -> None:
    page, said = opened(browser, many)
    shown = page.locator(".big-matrix").filter(visible=True)
    assert shown.count() == 1
    assert "1,000 examples" in shown.inner_text()
    cell = shown.locator("rect[role=img]").first
    cell.scroll_into_view_if_needed()
    cell.hover()
    assert re.search(r"answered a_rather_long_intent_name_\d+: \d+ \(", page.inner_text("#tip"))
    shades = "cells => cells.map((cell) => getComputedStyle(cell).fillOpacity)"
    before = shown.locator("rect[role=img]").evaluate_all(shades)
    page.get_by_label("count", exact=True).check()
    assert shown.locator("rect[role=img]").evaluate_all(shades) != before
    page.select_option("[data-matrix]", "0")
    assert "500 examples" in page.locator(".big-matrix").filter(visible=True).inner_text()
    assert serious(page) == []
    assert said == []


@pytest.mark.parametrize("which", ["address", "many"])
def test_printed_nothing_is_clipped(
    browser: Any, which: str, request: pytest.FixtureRequest
) -> None:
    # A4 less its margins, at 96 dots an inch
    page, said = opened(
        browser, request.getfixturevalue(which), viewport={"width": 703, "height": 1000}
    )
    page.emulate_media(media="print", color_scheme="dark")
    right = page.evaluate(
        """() => Math.max(...[...document.querySelectorAll("main *")]
             .map((one) => one.getBoundingClientRect().right))"""
    )
    assert right <= 704
    assert page.locator(".controls:not(.methods)").filter(visible=True).count() == 0
    chips = page.locator(".methods .chip")
    assert chips.filter(visible=True).count() == chips.count() > 0, "the curve's colours are told"
    closed = page.locator("details:not([open])").count()
    assert closed > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")
    assert said == []


def test_two_studies(browser: Any, make_predicted: MakeStudy, tmp_path: Path) -> None:
    folders = [make_predicted(name, sizes=(250, 1000), examples=60) for name in ("one", "two")]
    found = versus([gather(read(folder)) for folder in folders])
    (tmp_path / "both.html").write_text(versus_page(found), encoding="utf-8")
    page, said = opened(
        browser, (tmp_path / "both.html").as_uri(), viewport={"width": 390, "height": 844}
    )
    page.locator("[data-chart]").first.focus()
    page.keyboard.press("ArrowRight")
    assert "250 examples" in page.inner_text("#tip")
    assert page.locator(".y-title").first.inner_text() == "test accuracy (n = 60)"
    assert width(page) <= 390
    assert serious(page) == []
    assert said == []
