"""What a file holds: read in blocks or line by line, never whole, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from weft.data.decoding import lines_of
from weft.errors import DataError

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Content:
    """The bytes of a file, opened anew each time they are read."""

    where: str
    """Names them in errors."""
    opened: Callable[[], AbstractContextManager[BinaryIO]]
    sha256: str

    def lines(self) -> Iterator[str]:
        """Lines with their ends, decoded; the byte order mark is dropped.

        Raises:
            DataError: the text is not UTF-8, holds NUL bytes, or has a line without an end.
        """
        with self.opened() as file:
            yield from lines_of(file, self.where)


def content_of(path: Path) -> Content:
    """What a file holds now.

    Raises:
        DataError: it cannot be opened, or is no regular file; each later reading, that it has
            changed since.
    """
    try:
        # asked before it is opened, for which a pipe would wait
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(
                f"{path} cannot be read.",
                found="a folder" if path.is_dir() else "neither a file nor a folder",
                remedy="Give a file; what comes from a pipe has to be written into one first.",
            )
        with path.open("rb") as file:
            stamp, sha256 = _stamp(file), _hashed(file)
    except OSError as error:
        raise _unreadable(path, error) from error

    @contextmanager
    def opened() -> Generator[BinaryIO]:
        try:
            with path.open("rb") as file:
                _same(path, file, stamp)
                yield file
                _same(path, file, stamp)
        except OSError as error:
            raise _unreadable(path, error) from error

    return Content(str(path), opened, sha256)


def content_in(raw: bytes, where: str) -> Content:
    """Bytes that are in memory already; `where` names them in errors."""

    @contextmanager
    def opened() -> Generator[BinaryIO]:
        yield io.BytesIO(raw)

    return Content(where, opened, hashlib.sha256(raw).hexdigest())


def spooled(stream: BinaryIO, where: str) -> Content:
    """What comes from a stream that can be read once, such as a pipe: kept in a temporary file,
    which goes with what is returned."""
    kept = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    shutil.copyfileobj(stream, kept, _BLOCK)
    kept.seek(0)
    sha256 = _hashed(kept)

    @contextmanager
    def opened() -> Generator[BinaryIO]:
        # by the same handle, since the file has no name: one reader at a time
        kept.seek(0)
        yield kept

    content = Content(where, opened, sha256)
    weakref.finalize(content, kept.close)
    return content


def _hashed(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _stamp(file: BinaryIO) -> tuple[int, ...]:
    """What changes when a file is written to, or another is put in its place."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _same(path: Path, file: BinaryIO, stamp: tuple[int, ...]) -> None:
    if _stamp(file) != stamp:
        raise DataError(
            f"{path} has changed while it was read.",
            remedy="Let what writes it come to its end, then give the command again.",
        )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be read.",
        found=error.strerror or str(error),
        remedy="Check the path and its permissions.",
    )
