"""One process a study: whoever comes second is told who was first. No torch."""

from __future__ import annotations

import errno
import json
import os
import platform
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weft.errors import StudyError
from weft.study.ledger_file import make_folder

FILE = ".held"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""What a file system says that knows no locks: then nothing is held."""


@contextmanager
def held(folder: Path, command: str) -> Generator[None]:
    """Holds a study's folder while inside; it is made where it is missing.

    The lock is the system's and ends with the process, however that ends; the file says who has
    it. Where a system or a file system knows no such lock, nothing is held.

    Args:
        command: what the user typed, to be told to others.

    Raises:
        StudyError: another process holds it, or the folder cannot be written.
    """
    there = folder.exists()
    make_folder(folder)
    handle = _take(folder / FILE)
    try:
        who = {"pid": os.getpid(), "host": platform.node(), "since": _now(), "command": command}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(who).encode(), 0)
        yield
    finally:
        # first the name, then the lock: who opened the file meanwhile sees that it is gone
        (folder / FILE).unlink(missing_ok=True)
        os.close(handle)
        if not there and not any(folder.iterdir()):
            folder.rmdir()


def _take(path: Path) -> int:
    """An open file that is locked and is still the one at `path`."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StudyError(
                f"The study's folder {path.parent} cannot be written.",
                found=error.strerror,
                remedy="name another folder, or make this one writable",
            ) from error
        try:
            if not _lock(handle):
                raise _refusal(path, handle)
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:  # whoever held it has just left, and taken the file along
        return False


def _lock(handle: int) -> bool:
    """False where another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _refusal(path: Path, handle: int) -> StudyError:
    try:
        who: dict[str, Any] = json.loads(os.pread(handle, 1 << 16, 0))
        found = f"process {who['pid']} on {who['host']}, since {who['since']}: {who['command']}"
        stop = f"stop it (kill -INT {who['pid']})"
    except (ValueError, KeyError, TypeError, OSError):
        found, stop = "a process that has not said yet who it is", "stop it"
    return StudyError(
        f"Another process is working on the study in {path.parent}.",
        found=found,
        remedy=f"wait for it to end, or {stop}; then the same command goes on",
    )


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
