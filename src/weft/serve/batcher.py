"""Continuous batching: what waits is computed together, as soon as the last batch is done.

One thread tokenises, all that has come since it last looked; another computes; the event loop does
neither. A step takes requests in the order in which they came, for whatever adapter, until it holds
as many tokens as pay; a request with many texts is taken in parts, so that it does not hold up the
small ones behind it for long.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from weft.serve.deck import Adapter, Engine, Read, Rows
from weft.serve.limits import Limits

_READ_AT_ONCE = 256  # texts; more would keep the computing thread waiting for its next step


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
    texts: Sequence[str]
    answer: asyncio.Future[Rows]
    read: Read | None = None
    begun: int = 0  # texts handed out
    rows: list[Rows] = field(default_factory=list[Rows])

    @property
    def left(self) -> int:
        return len(self.texts) - self.begun


_Told = tuple[_Waiting, Rows | BaseException]


@dataclass(frozen=True)
class Step:
    """What one batch was, for those who count."""

    texts: int
    adapters: int
    seconds: float


class Batcher:
    """Takes texts for adapters and gives their probabilities; made inside an event loop.

    Args:
        limits: how much waits, and how much is computed at once.
        watch: told of every step, from the computing thread.
    """

    def __init__(self, limits: Limits, watch: Callable[[Step], None] = lambda _: None) -> None:
        self._limits, self._watch = limits, watch
        self._loop = asyncio.get_running_loop()
        self._unread: deque[_Waiting] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._texts = 0  # that are not answered yet
        self._speed = 500.0  # texts a second, as of late
        lock = threading.Lock()
        self._asked, self._changed = threading.Condition(lock), threading.Condition(lock)
        self._ending = self._all_read = False
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._tokenise, "weft-tokenise"), (self._work, "weft-compute"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Texts that wait or are being computed."""
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
        try:
            request = _Waiting(adapter, texts, self._loop.create_future())
            with self._asked:
                self._unread.append(request)
                self._asked.notify()
            return await request.answer
        finally:
            self._texts -= len(texts)

    def close(self) -> None:
        """Computes what waits, then ends the threads."""
        with self._asked:
            self._ending = True
            self._asked.notify()
        for thread in self._threads:
            thread.join()

    # ---- the thread that tokenises

    def _tokenise(self) -> None:
        while True:
            with self._asked:
                while not self._unread and not self._ending:
                    self._asked.wait()
                if not self._unread:
                    self._all_read = True
                    self._changed.notify()
                    return
                batch: list[_Waiting] = []
                texts = 0
                while self._unread and texts < _READ_AT_ONCE:
                    request = self._unread.popleft()
                    if not request.answer.done():  # else whoever asked has gone
                        batch.append(request)
                        texts += len(request.texts)
            for engine in {id(r.adapter.engine): r.adapter.engine for r in batch}.values():
                self._read(engine, [r for r in batch if r.adapter.engine is engine])
            with self._changed:
                self._waiting.extend(request for request in batch if request.read is not None)
                self._changed.notify()

    def _read(self, engine: Engine, requests: Sequence[_Waiting]) -> None:
        """Reads them all in one call; where that fails, each by itself."""
        try:
            read = engine.read([text for request in requests for text in request.texts])
        except Exception as error:
            if len(requests) == 1:
                self._tell([(requests[0], error)])
                return
            for request in requests:
                self._read(engine, [request])
            return
        begin = 0
        for request in requests:
            end = begin + len(request.texts)
            request.read = read.take(begin, end) if len(requests) > 1 else read
            begin = end

    # ---- the thread that computes

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._all_read:
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
            own, read = request.adapter.engine, cast("Read", request.read)
            if (engine is not None and own is not engine) or room <= 0:
                kept.append(request)
                continue
            engine = own
            sizes = read.sizes[request.begun :]
            count = max(int(np.searchsorted(np.cumsum(sizes), room, side="right")), 0)
            if not taken:
                count = max(count, 1)
            if count == 0:
                room = 0
                kept.append(request)
                continue
            end = request.begun + count
            taken.append((request, read.take(request.begun, end)))
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
            self._tell([(request, error) for request, _ in step])
            with self._changed:
                gone = {id(request) for request, _ in step}
                self._waiting = deque(r for r in self._waiting if id(r) not in gone)
            return
        texts = sum(len(read.texts) for _, read in step)
        seconds = time.perf_counter() - began
        self._speed += 0.1 * (texts / seconds - self._speed)
        done: list[_Told] = []
        for (request, _), rows in zip(step, found, strict=True):
            request.rows.append(rows)
            if not request.left:
                done.append((request, np.concatenate(request.rows)))
        self._tell(done)
        self._watch(Step(texts, len({request.adapter.name for request, _ in step}), seconds))

    def _tell(self, answers: Sequence[_Told]) -> None:
        """Wakes the event loop once for all of them."""

        def tell() -> None:
            for request, answer in answers:
                if request.answer.done():
                    continue
                if isinstance(answer, BaseException):
                    request.answer.set_exception(answer)
                else:
                    request.answer.set_result(answer)

        self._loop.call_soon_threadsafe(tell)
