"""Half of some pictures drawn by a second process, where one can be forked safely.

Drawing is most of what a report takes, and Matplotlib draws one figure at a time.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

Files = dict[str, bytes]
Drawing = Callable[[], Files]


def drawn(drawings: Sequence[Drawing]) -> Files:
    """What all of them give, in their order."""
    theirs = list(drawings[1::2])
    if not theirs or not _safe():
        return _joined([draw() for draw in drawings])
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(writer, theirs), daemon=True)
    with warnings.catch_warnings():
        # Python warns where NumPy's linear algebra has threads; those outlast a fork
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    writer.close()
    found: list[Files] = [{} for _ in drawings]
    found[::2] = [draw() for draw in drawings[::2]]
    try:
        found[1::2] = reader.recv()
    except EOFError:  # it was ended, or failed: here the same failure is told
        found[1::2] = [draw() for draw in theirs]
    child.join()
    return _joined(found)


def _safe() -> bool:
    """Threads do not outlast a fork, torch's among them; and one core gains nothing by it."""
    return (
        sys.platform == "linux"
        and "torch" not in sys.modules
        and threading.active_count() == 1
        and len(os.sched_getaffinity(0)) > 1
    )


def _send(writer: Connection, drawings: Sequence[Drawing]) -> None:
    try:
        writer.send([draw() for draw in drawings])
        writer.close()
    except BaseException:
        os._exit(1)  # the other process draws these too, and says what it is


def _joined(found: Sequence[Files]) -> Files:
    return {name: content for files in found for name, content in files.items()}
