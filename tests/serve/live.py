"""A server that listens, in a thread of the tests' own process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import uvicorn

from weft.serve.app import create_app
from weft.serve.deck import Adapter, Deck, Read, Rows
from weft.serve.limits import Limits


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def listening(deck: Deck, token: str | None = None, **limits: Any) -> Iterator[int]:
    """The port of a server over a deck."""
    port = free_port()
    app = create_app(deck, Limits(**limits), token)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join()


def exchange(port: int, sent: bytes, wait: float = 10) -> bytes:
    """What a server answers to these bytes until it closes the connection, or sends nothing more.

    Raises:
        TimeoutError: it neither answers nor closes.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as line:
        try:
            line.sendall(sent)
            while part := line.recv(1 << 16):
                answer += part
                if _whole(answer):
                    break
        except ConnectionError:  # it may close before all is sent
            pass
    return answer


def _whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


class _Stuck:
    """An engine that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def read(self, texts: Sequence[str]) -> Read:
        return Read(texts, None)

    def compute(self, parts: Sequence[tuple[int, Read]]) -> list[Rows]:
        time.sleep(self.seconds)
        return [np.full((len(part.texts), 2), 0.5) for _, part in parts]


def stuck(deck: Deck, seconds: float) -> Deck:
    """One adapter whose steps take so many seconds."""
    one: Adapter = replace(deck.adapters["two"], engine=_Stuck(seconds))
    return Deck({"two": one})
