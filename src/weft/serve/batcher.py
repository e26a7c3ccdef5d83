"""Continuous batching: what waits is computed together, as soon as the last batch is done.

One thread computes, the event loop never does. A step takes requests in the order in which they
came, for whatever adapter, until it holds as many tokens as pay; a request with many texts is
taken in parts, so that it does not hold up the small ones behind it for long.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from weft.serve.deck import Adapter, Engine, Read, Rows
from weft.serve.limits import Limits


class FullError(Exception):
    """There is no room in the queue.

    Args:
        seconds: after which there should be some.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(eq=False)
class _Waiting:
    adapter: Adapter
    read: Read
    answer: asyncio.Future[Rows]
    loop: asyncio.AbstractEventLoop
    begun: int = 0  # texts handed out
    rows: list[Rows] = field(default_factory=list[Rows])

    @property
    def left(self) -> int:
        return len(self.read.texts) - self.begun


@dataclass(frozen=True)
class Step:
    """What one batch was, for those who count."""

    texts: int
    adapters: int
    seconds: float


class Batcher:
    """Takes texts for adapters and gives their probabilities.

    Args:
        limits: how much waits, and how much is computed at once.
        watch: told of every step, from the computing thread.
    """

    def __init__(self, limits: Limits, watch: Callable[[Step], None] = lambda _: None) -> None:
        self._limits, self._watch = limits, watch
        self._waiting: deque[_Waiting] = deque()
        self._texts = 0  # in the queue, or being tokenised
        self._speed = 500.0  # texts a second, as of late
        self._changed = threading.Condition()
        self._ending = False
        self._reader = ThreadPoolExecutor(1, "weft-tokenise")
        self._thread = threading.Thread(target=self._work, name="weft-compute", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Texts that wait or are being read."""
        return self._texts

    async def probabilities(self, adapter: Adapter, texts: Sequence[str]) -> Rows:
        """(B, C) of the texts.

        Raises:
            FullError: too much is waiting.
            asyncio.CancelledError: whoever asked has gone; what is not computed yet is dropped.
        """
        if self._texts + len(texts) > self._limits.queue:
            raise FullError(max(self._texts / self._speed, 0.1))
        self._texts += len(texts)
        loop = asyncio.get_running_loop()
        try:
            read = await loop.run_in_executor(self._reader, adapter.engine.read, texts)
            request = _Waiting(adapter, read, loop.create_future(), loop)
            with self._changed:
                self._waiting.append(request)
                self._changed.notify()
            return await request.answer
        finally:
            self._texts -= len(texts)

    def close(self) -> None:
        """Computes what waits, then ends the threads."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        self._reader.shutdown()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ending:
                    self._changed.wait()
                if not self._waiting:
                    return
                if len(self._waiting) == 1 and not self._ending:
                    self._changed.wait(self._limits.delay)
                step = self._take()
            if step:
                self._compute(step)

    def _take(self) -> list[tuple[_Waiting, Read]]:
        """The parts of the next step; all are for one engine, that of the oldest request."""
        taken: list[tuple[_Waiting, Read]] = []
        kept: deque[_Waiting] = deque()
        engine: Engine | None = None
        room = self._limits.tokens
        while self._waiting:
            request = self._waiting.popleft()
            if request.answer.done():  # whoever asked has gone
                continue
            own = request.adapter.engine
            if (engine is not None and own is not engine) or room <= 0:
                kept.append(request)
                continue
            engine = own
            sizes = request.read.sizes[request.begun :]
            count = max(int(np.searchsorted(np.cumsum(sizes), room, side="right")), 0)
            if not taken:
                count = max(count, 1)
            if count == 0:
                room = 0
                kept.append(request)
                continue
            end = request.begun + count
            taken.append((request, request.read.take(request.begun, end)))
            room -= sum(sizes[:count])
            request.begun = end
            if request.left:
                room = 0
                kept.append(request)
        self._waiting = kept
        return taken

    def _compute(self, step: list[tuple[_Waiting, Read]]) -> None:
        began = time.perf_counter()
        # parts of one adapter side by side, so that each adapter is met once
        step = sorted(step, key=lambda part: part[0].adapter.place)
        engine = step[0][0].adapter.engine
        try:
            found = engine.compute([(request.adapter.place, read) for request, read in step])
        except BaseException as error:
            for request, _ in step:
                _tell(request, error)
            with self._changed:
                gone = {id(request) for request, _ in step}
                self._waiting = deque(r for r in self._waiting if id(r) not in gone)
            return
        texts = sum(len(read.texts) for _, read in step)
        seconds = time.perf_counter() - began
        self._speed += 0.1 * (texts / seconds - self._speed)
        for (request, _), rows in zip(step, found, strict=True):
            request.rows.append(rows)
            if not request.left:
                _tell(request, np.concatenate(request.rows))
        self._watch(Step(texts, len({request.adapter.name for request, _ in step}), seconds))


def _tell(request: _Waiting, answer: Rows | BaseException) -> None:
    def tell() -> None:
        if request.answer.done():
            return
        if isinstance(answer, BaseException):
            request.answer.set_exception(answer)
        else:
            request.answer.set_result(answer)

    request.loop.call_soon_threadsafe(tell)
