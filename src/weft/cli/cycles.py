"""A command that makes millions of objects, and few cycles of them, looks for cycles less often."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def seldom_collected() -> Generator[None]:
    """Python looks every 700 objects by default, which is a tenth of a report's time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
