"""How much memory a part of the work takes: the process's own, looked at many times a second."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from types import TracebackType
from typing import Self

import psutil

_INTERVAL = 0.02  # seconds between two looks


class PeakMemory:
    """Watches the process while it is entered.

    What counts is resident memory beyond what was held on entering, whoever asked for it: libraries
    that are first loaded meanwhile, and files read by mapping them, count too. What lives for less
    than the interval may be missed, and memory that is given back late by what went before would
    hide what is taken anew: so that is asked back first, where the system can. Memory of a GPU is
    not seen.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="weft-memory", daemon=True)
        self._before = self._most = 0

    def __enter__(self) -> Self:
        _give_back()
        self._before = self._most = self._now()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def bytes(self) -> int:
        """The most so far."""
        self._most = max(self._most, self._now())
        return self._most - self._before

    def _now(self) -> int:
        return int(self._process.memory_info().rss)

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL):
            self._most = max(self._most, self._now())


def _give_back() -> None:
    """Returns free memory to the system; glibc keeps it otherwise."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
