"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from weft.errors import StudyError


def write_whole(path: Path, content: bytes) -> None:
    """Writes beside the file and renames, so that a reader never sees half of it.

    Raises:
        StudyError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(content)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StudyError(
            f"The report's file {path} cannot be written.",
            found=error.strerror,
            remedy="make the study's folder writable and free some disk space, or copy it",
        ) from error
