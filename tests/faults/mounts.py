"""Disks that are small and folders that are read-only, where this machine lets a test make them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _mount(*words: str | Path) -> bool:
    try:
        done = subprocess.run(["mount", *map(str, words)], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


@contextmanager
def small_disk(place: Path, size: int) -> Generator[Path]:
    """A disk of its own in memory, of so many bytes; skips where none may be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    if not _mount("-t", "tmpfs", "-o", f"size={size}", "weft-test", place):
        pytest.skip("a disk can be mounted by root alone")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def read_only(folder: Path) -> Generator[None]:
    """The folder and all in it may only be read; skips for root where nothing may be mounted."""
    if os.geteuid() != 0:
        every = [folder, *folder.rglob("*")]
        modes = {path: path.stat().st_mode for path in every}
        for path in every:
            path.chmod(modes[path] & ~0o222)
        try:
            yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)
        return
    if not _mount("--bind", folder, folder):
        pytest.skip("root may write everywhere, and nothing may be mounted")
    try:
        assert _mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
