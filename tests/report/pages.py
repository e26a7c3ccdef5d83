"""What tests of the page share: data read again by hand, and a page's text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from weft.report import gather, read
from weft.report.page import study_page
from weft.study.reread import Seen

NASTY = '<script>alert("x")</script> & <b>bold</b> `code` | pipe'


def seen(examples: int = 600, wanted: bool = True, **texts: str) -> Seen:
    """Test texts by number; `t7="..."` gives the eighth another."""
    every = tuple(texts.get(f"t{k}", f"text number {k}") for k in range(examples))
    return Seen(every if wanted else None, wanted, None, {}, "")


def page_of(folder: Path, data: Seen | None = None) -> str:
    """The page of a study."""
    return study_page(gather(read(folder), seen=data))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def tags(page: str, name: str = "") -> list[tuple[str, dict[str, str | None]]]:
    """Every start tag with its attributes; of one name, if one is given."""
    reader = _Reader()
    reader.feed(page)
    return [one for one in reader.tags if not name or one[0] == name]


def words(page: str) -> str:
    """What a reader sees, blanks as one."""
    reader = _Reader()
    reader.feed(page)
    return " ".join("".join(reader.words).split())


def labels(page: str) -> list[str]:
    """What the points of charts and matrices say."""
    return [str(own.get("aria-label")) for _, own in tags(page) if own.get("role") == "img"]


def changed(facts: dict[str, Any], **data: Any) -> dict[str, Any]:
    """Facts with other facts of the data."""
    return {**facts, "data": {**facts["data"], **data}}
