"""When a bank's state is due to be written again; the clock decides that, and only that. No torch.

Every end of an epoch is one, but where that would take longer than training itself: all weights of
an encoder, trained on a few dozen examples, have epochs of one or two steps and gigabytes of state.
So epochs that nothing else asks to be written at leave the writing a share of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

INTERVAL = 60.0
"""Seconds after which the state is due, whatever happened since."""
SHARE = 0.2
"""Of the time, what the writing at ends of epochs may take."""


class Due:
    """Looks at the clock.

    Args:
        clock: seconds, that only go forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written, self._took = clock(), 0.0

    def now(self, *, epoch_ended: bool) -> bool:
        """Whether the state is due after a step.

        Args:
            epoch_ended: whether a run ended an epoch with it.
        """
        age = self._clock() - self._written
        return age >= INTERVAL or (epoch_ended and age * SHARE >= self._took)

    @contextmanager
    def writing(self) -> Generator[None]:
        """Takes note of how long the writing inside takes, and that it is done."""
        began = self._clock()
        yield
        self._written = self._clock()
        self._took = self._written - began
