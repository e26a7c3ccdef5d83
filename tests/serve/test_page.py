"""The page in a browser: type, compare, weigh words; errors, nothing there, dark, narrow, keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from weft.serve.deck import Deck

from .. import browser as chromium
from ..browser import serious
from .live import listening

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(deck: Deck) -> Iterator[str]:
    with listening(deck, "secret") as port:
        yield f"http://127.0.0.1:{port}/"


def opened(browser: Any, address: str, **context: Any) -> tuple[Any, list[str]]:
    """A page with its token given, and what the console says."""
    page, said = chromium.opened(browser, address, **context)
    page.wait_for_selector("#token-row:not([hidden])")
    page.fill("#token", "secret")
    page.focus("#text")
    said.clear()  # of the refusal without a token
    return page, said


def test_it_says_what_is_missing(browser: Any, address: str) -> None:
    page, said = opened(browser, address)
    assert page.is_visible(".empty")
    page.keyboard.press("Enter")
    assert page.inner_text("#problem") == "Type a text first."
    page.fill("#token", "wrong")
    page.fill("#text", "a text")
    page.press("#text", "Enter")
    page.locator("#problem", has_text="token").wait_for()
    assert serious(page) == []
    assert all("401" in line for line in said)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_adapters_stand_side_by_side(browser: Any, address: str, scheme: str, width: int) -> None:
    size = {"width": width, "height": 800}
    page, said = opened(browser, address, color_scheme=scheme, viewport=size)
    page.keyboard.type("warm and kind <b>but</b> long")
    page.keyboard.press("Enter")
    page.wait_for_selector("article")
    names = page.locator("article h2").all_inner_texts()
    assert names == ["two", "three", "four", "words", "probe"]
    assert page.locator("article").nth(1).locator("li").count() == 3
    for button in page.locator(".why").all():
        button.focus()
        page.keyboard.press("Enter")
    page.locator(".words .key").nth(3).wait_for()
    words = page.locator("article").first.locator(".words span").all_inner_texts()
    assert words == ["warm", "and", "kind", "<b>but</b>", "long"]
    assert chromium.width(page) <= width
    assert serious(page) == []
    assert said == []


def test_a_server_that_is_gone_is_said(browser: Any, address: str) -> None:
    page, _ = opened(browser, address)
    page.route("**/predict", lambda route: route.abort())
    page.fill("#text", "a text")
    page.press("#text", "Enter")
    page.wait_for_selector("article")
    assert "does not answer" in page.inner_text("#answers")
