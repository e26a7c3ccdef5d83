"""The report's Markdown as HTML: tables that scroll by themselves, headings in their place."""

from __future__ import annotations

from typing import Any, cast

from markdown_it import MarkdownIt
from markupsafe import Markup


def html_of(markdown: str, down: int = 0) -> Markup:
    """Renders one part; HTML in it is shown as text, never acted on.

    Args:
        markdown: as the report's sections write it.
        down: steps by which headings are lowered.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + down, 6)}"
    text = cast(str, cast(Any, parser.renderer).render(tokens, parser.options, {}))
    # a table that is wider than the page scrolls, so the keyboard must reach it
    opened = '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>'
    return Markup(text.replace("<table>", opened).replace("</table>", "</table></div>"))
