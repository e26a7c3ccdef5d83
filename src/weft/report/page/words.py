"""The report's Markdown as HTML: tables that scroll by themselves, headings in their place."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, cast

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

_BOUNDED = re.compile(r">([^<>()]+) (\([^<>()]+ to [^<>()]+\))</td>")
"""A cell of a figure with its two ends."""
_UNIT = re.compile(r"(?<=[0-9]) %")  # no line ends between a figure and its unit


class Names:
    """Names of a page's tables, by the headings that they stand under; none is given twice."""

    def __init__(self) -> None:
        self._part = self._heading = ""
        self._given: Counter[str] = Counter()

    def enter(self, part: str) -> None:
        """From here on, tables stand in this part of the page."""
        if part != self._part:
            self._part = self._heading = part

    def under(self, heading: str) -> None:
        """From here on, tables of the same part stand under a heading."""
        self._heading = heading

    def name(self) -> str:
        """Of the next table."""
        self._given[self._heading] += 1
        number = self._given[self._heading]
        return f"Table{f' {number}' if number > 1 else ''}: {self._heading}"


def html_of(
    markdown: str, down: int = 0, names: Names | None = None, part: str = "Report"
) -> Markup:
    """Renders one part; HTML in it is shown as text, never acted on.

    Args:
        markdown: as the report's sections write it.
        down: steps by which headings are lowered.
        names: of the page's tables.
        part: which of the page's parts it is of.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    names = names or Names()
    names.enter(part)
    tables: list[str] = []
    for place, token in enumerate(tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + down, 6)}"
        if token.type == "heading_open":
            names.under(_words(tokens[place + 1]))
        elif token.type == "table_open":
            tables.append(names.name())
    text = cast(str, cast(Any, parser.renderer).render(tokens, parser.options, {}))
    before, *after = text.split("<table>")
    for name, rest in zip(tables, after, strict=True):
        # a table that is wider than the page scrolls, so the keyboard must reach it
        before += (
            f'<div class="wide" tabindex="0" role="region" aria-label="{escape(name)}"><table>'
        )
        before += rest.replace("</table>", "</table></div>")
    # where room is short, a cell breaks between a figure and its ends, and nowhere else
    bounded = _BOUNDED.sub(r"><span>\1</span> <span>\2</span></td>", before)
    return Markup(_UNIT.sub("\u00a0%", bounded))


def _words(inline: Token) -> str:
    return "".join(token.content for token in inline.children or ())
