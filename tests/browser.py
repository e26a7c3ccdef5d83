"""A headless Chromium for tests of pages, and what is asked of every page.

A conftest imports `browser`; its tests open addresses, of a server or a file, with `opened`. Where
Playwright or Chromium is missing they are skipped with what to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

_HOW = 'for tests of pages: pip install "weft[browser]" and, as root, apt-get install chromium'
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # which root may not have
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")  # not longer: Playwright's loop would stand in the way of asyncio's
def browser() -> Iterator[Any]:
    """Playwright's Browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason=_HOW)
    pytest.importorskip("axe_playwright_python.sync_playwright", reason=_HOW)
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(_HOW)
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield found
        found.close()


def opened(browser: Any, address: str, **context: Any) -> tuple[Any, list[str]]:
    """A new page at an address, and the list that everything bad about it goes to.

    What the console says, errors that no script caught, and requests to anybody but the address's
    own server. A test clears what it expects and ends with `assert said == []`.

    Args:
        context: Playwright's: `viewport={"width": 390, "height": 844}`, `color_scheme="dark"`, ...
    """
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(120_000)  # of a machine that is busy with other tests
    said: list[str] = []
    own = urlsplit(address)[:2]

    def asked(request: Any) -> None:
        where = urlsplit(request.url)
        if where[:2] != own and where.scheme not in ("data", "blob"):
            said.append(f"asks {request.url}")

    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", asked)
    page.goto(address)
    return page, said


def serious(page: Any) -> list[str]:
    """What axe finds of serious or critical impact: its rule, and where."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        f"{rule['id']}: {node['html']}"
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def width(page: Any) -> int:
    """How wide the page's content is, in pixels: no more than the viewport where nothing is cut."""
    return int(page.evaluate("document.documentElement.scrollWidth"))
