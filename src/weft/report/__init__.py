"""Pages, tables, pictures and words, all rebuilt from a study's folder. Loads no torch."""

from weft.report.gathered import Gathered, gather
from weft.report.rows import StudyView, read
from weft.report.versus import Versus, versus
from weft.report.write import write, write_gathered, write_versus

__all__ = [
    "Gathered",
    "StudyView",
    "Versus",
    "gather",
    "read",
    "versus",
    "write",
    "write_gathered",
    "write_versus",
]
