"""Tables, pictures and words, all rebuilt from a study's folder. Loads no torch."""

from weft.report.rows import StudyView, read
from weft.report.write import write

__all__ = ["StudyView", "read", "write"]
