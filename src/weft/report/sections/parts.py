"""What a report is made of: sections, whose parts are Markdown or something drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Drawn:
    """Something that the page draws, and Markdown shows as it can."""

    name: str
    """Which of the page's templates."""
    markdown: str = ""
    """A picture or a table in its place; empty: nothing."""


@dataclass(frozen=True)
class Folded:
    """Parts that the page folds away under their title; in Markdown they stand under a heading."""

    title: str
    parts: tuple[str, ...]


Part = str | Drawn | Folded
"""A paragraph, list, table or heading in Markdown, texts from outside escaped; or what is drawn."""


@dataclass(frozen=True)
class Section:
    """A section of the report."""

    key: str
    """Its place in the page: `report.html#key`."""
    title: str
    parts: tuple[Part, ...]
    headed: bool = False
    """Whether the parts bring headings of the second level, so that Markdown needs no other."""


def in_markdown(part: Part, headed: bool = False) -> list[str]:
    """A part's own parts in Markdown, for a section that is `headed` or not."""
    if isinstance(part, Drawn):
        return [part.markdown] if part.markdown else []
    if isinstance(part, Folded):
        return [f"{'##' if headed else '###'} {part.title}", *part.parts]
    return [part]


def picture(name: str, files: Sequence[str], said: str) -> str:
    """A picture in Markdown; empty where it was not drawn.

    Args:
        name: of the figure, without its kind.
        files: everything that is written beside the page.
        said: what it shows.
    """
    path = f"figures/{name}.png"
    return f"![{said}]({path})" if path in files else ""
