"""Tables, pictures and words, all rebuilt from a study's folder. Loads no torch."""

from weft.report.gathered import Gathered, gather
from weft.report.rows import StudyView, read
from weft.report.write import write, write_gathered

__all__ = ["Gathered", "StudyView", "gather", "read", "write", "write_gathered"]
