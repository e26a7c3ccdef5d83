"""Ctrl-C and SIGTERM: the first asks to stop at the next good moment, the second stops now."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """While it is entered, the first signal only sets `asked`; the next raises KeyboardInterrupt.

    In a thread other than the main one, where signals cannot be taken, nothing changes.

    Args:
        patient: False: the first raises too. Python drops what is raised in a destructor, and a
            module that is being imported may fail otherwise: so `asked` is to be looked at, and
            whatever fails afterwards is KeyboardInterrupt.
    """

    def __init__(self, *, patient: bool = True) -> None:
        self.asked = False
        self._patient = patient
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) not in (None, signal.SIG_IGN):
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.asked and not self._patient and isinstance(error, Exception):
            raise KeyboardInterrupt from error

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if again or not self._patient:
            raise KeyboardInterrupt
