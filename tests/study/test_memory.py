"""Memory is seen while it is held, and no longer counted once the next part begins."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from weft.study.memory import PeakMemory

MEGABYTE = 1 << 20


def test_what_is_taken_and_given_back_is_seen() -> None:
    with PeakMemory() as memory:
        assert memory.bytes < 16 * MEGABYTE
        block = np.ones(64 * MEGABYTE, dtype=np.uint8)
        time.sleep(0.2)
        del block
        assert 60 * MEGABYTE < memory.bytes < 90 * MEGABYTE
    with PeakMemory() as later:
        assert later.bytes < 16 * MEGABYTE


def watching() -> bool:
    return any(thread.name == "weft-memory" for thread in threading.enumerate())


def test_it_ends_with_its_part_whatever_happens() -> None:
    with PeakMemory():
        assert watching()
    assert not watching()
    with pytest.raises(KeyboardInterrupt), PeakMemory():
        raise KeyboardInterrupt
    assert not watching()
