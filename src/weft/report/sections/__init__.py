"""What a report says, in order, for page and Markdown alike: words, tables, pictures."""

from weft.report.sections.contents import contents
from weft.report.sections.parts import Drawn, Folded, Section, in_markdown

__all__ = ["Drawn", "Folded", "Section", "contents", "in_markdown"]
