"""A disk that is full or may not be written: said in words, with the space that is needed."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from weft.config import StudyConfig
from weft.errors import StudyError, WeftError
from weft.study.notices import Opened
from weft.study.plan import STEPPED
from weft.study.variants import variants

_FULL = {errno.ENOSPC: "is full", errno.EDQUOT: "has no quota left", errno.EFBIG: "takes no more"}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_WORDS = {
    "no space left": errno.ENOSPC,
    "storagefull": errno.ENOSPC,
    "quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
}
"""What libraries that are not Python's own pass on of the system's words."""


@contextmanager
def room(folder: Path, opened: Opened) -> Generator[None]:
    """Says what the system says of a write inside, and how much space the study takes.

    Raises:
        StudyError: the disk does not take what is written into the folder, or may not be written.
    """
    try:
        yield
    except Exception as error:
        code = _code(error)
        if code in _FULL:
            raise _full(folder, opened, _FULL[code], error) from error
        closed = code in _CLOSED and not isinstance(error, WeftError)
        if closed and _is_inside(folder, error):
            raise StudyError(
                f"The study's folder {folder} cannot be written.",
                found=str(error),
                remedy="make the folder writable, or name another one with --out",
            ) from error
        raise


def _full(folder: Path, opened: Opened, how: str, error: Exception) -> StudyError:
    free = shutil.disk_usage(next(p for p in (folder, *folder.absolute().parents) if p.exists()))
    need = _megabytes(needed(opened.config, opened))
    return StudyError(
        f"The disk of the study's folder {folder} {how}.",
        found=f"{_megabytes(free.free)} free, and the whole study takes up to {need}; "
        f"what could not be written: {error if str(error) else type(error).__name__}",
        remedy="free some space there, or move the folder to a larger disk and name it with "
        "--out; the same command then goes on from the last checkpoint, and nothing is lost",
    )


def needed(config: StudyConfig, opened: Opened) -> int:
    """Bytes that a study's folder takes at most, from the sizes of what it trains: models,
    checkpoints of epochs and of the bank. Tokenizers and predictions are taken to be 1 MB a run."""
    classes = len(opened.data.label_names)
    most = 0
    for method in config.methods:
        for own in variants(config, method):
            runs = sum(config.seeds_at.get(size, config.seeds) for size in opened.splits.sizes)
            trained = 4 * _trained(own.config, method, classes)
            epochs = own.config.recipe.evaluations if method in ("lora", "bitfit") else 0
            most += runs * (trained * (1 + epochs) + (1 << 20))
            if method in STEPPED:  # weights, two moments and the best epoch's, three files
                slots = 1 if method == "full" else min(config.bank.slots, runs)
                most += 3 * slots * 4 * trained
    return most


def _trained(config: StudyConfig, method: str, classes: int) -> int:
    from weft.nn.shapes import Update, count_parameters
    from weft.nn.skeleton import skeleton

    updates: dict[str, Update] = {"lora": config.lora, "bitfit": "biases", "full": "all"}
    if method not in updates:
        return 0
    model, head, _ = skeleton(config.backbone, classes)
    return count_parameters(model, head, updates[method])[0]


def _code(error: BaseException) -> int | None:
    """The system's number for what went wrong, from whoever tells of it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, sqlite3.Error):
        number = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return errno.ENOSPC if number == sqlite3.SQLITE_FULL else None
    if isinstance(error.__cause__, OSError | sqlite3.Error):
        return _code(error.__cause__)
    said = str(error).lower()
    return next((code for words, code in _WORDS.items() if words in said), None)


def _is_inside(folder: Path, error: BaseException) -> bool:
    name = getattr(error, "filename", None)
    return name is not None and folder.absolute() in Path(str(name)).absolute().parents


def _megabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
