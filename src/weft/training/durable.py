"""Files that outlast a power cut: on the disk before anything speaks of them. No torch."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


def put_in_place(temporary: Path, path: Path) -> None:
    """Makes a file that was written under a temporary name the one at `path`, for good."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def write_durably(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, into a folder that is there."""
    temporary = path.with_name(f"{path.name}.part")
    with gone_if_it_fails(temporary):
        temporary.write_bytes(content)
        put_in_place(temporary, path)


def make_folders(folder: Path) -> None:
    """Makes a folder and those above it that are missing, for good."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    with suppress(PermissionError):  # one that may not be listed cannot be synced
        sync(folder.parent)


@contextmanager
def gone_if_it_fails(temporary: Path) -> Generator[None]:
    """Removes a file that could not be finished: on a disk that is full, half of it is in the
    way."""
    try:
        yield
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folder, and keeps its names by itself
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """`sync` of everything below a folder, of itself, and of the folder that names it."""
    for place, _, names in os.walk(folder):
        for name in names:
            sync(Path(place) / name)
        sync(Path(place))
    sync(folder.parent)
