"""Calls that a device makes again by itself: recorded once, then started by one call of the host.

Between the kernels of a step a host takes longer than a GPU computes. A CUDA graph keeps what was
called, with the addresses of all that was read and written.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch

from weft.config import LoraSettings
from weft.nn.gpu import there

if TYPE_CHECKING:
    from weft.nn.bank import Bank

T = TypeVar("T")


class Tape(Protocol):
    """What records calls."""

    def warm(self, call: Callable[[], T]) -> T:
        """Makes the call as it will be recorded, so that all is set up that it needs."""
        ...

    def record(self, call: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """What the call returns, and what makes it again; nothing is computed yet."""
        ...


class CudaTape:
    """Records CUDA graphs, which share their memory: one is done before the next begins."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        self._pool: Any = torch.cuda.graph_pool_handle()

    def warm(self, call: Callable[[], T]) -> T:
        """Makes the call on the stream that records."""
        now = torch.cuda.current_stream()
        self._stream.wait_stream(now)
        with torch.cuda.stream(self._stream):
            result = call()
        now.wait_stream(self._stream)
        return result

    def record(self, call: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Records the call without what `torch.cuda.graph` does around it: to give memory back to
        the system each time takes longer than a step."""
        graph: Any = torch.cuda.CUDAGraph()
        collects = gc.isenabled()
        gc.disable()  # what it frees may call for what nothing may call meanwhile

        def recorded() -> T:
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                return call()
            finally:
                graph.capture_end()

        try:
            result = self.warm(recorded)
        finally:
            if collects:
                gc.enable()
        return result, graph.replay


class Again(Generic[T]):
    """A call that is made at first, recorded when it comes again, and started from then on.

    Args:
        call: reads and writes the same tensors each time.
    """

    def __init__(self, call: Callable[[], T], tape: Tape) -> None:
        self._call, self._tape = call, tape
        self._made = False
        self._recorded: tuple[T, Callable[[], None]] | None = None

    def __call__(self) -> T:
        """What the call returns; valid until any recorded call is made."""
        if not self._made:
            self._made = True
            return self._tape.warm(self._call)
        if self._recorded is None:
            self._recorded = self._tape.record(self._call)
        result, start = self._recorded
        start()
        return result


def tape_of(bank: Bank) -> Tape | None:
    """What records the steps of a bank; None where they depend on more than shapes."""
    if bank.form != "flat" or not isinstance(bank.update, LoraSettings):
        return None
    like = torch.empty(0, dtype=bank.dtype, device=bank.device)
    return CudaTape() if there.updates(like, bank.update.r) else None
