"""Whatever is sent, the server refuses it in time, by the client's fault, and goes on."""

from __future__ import annotations

import json
import logging
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from weft.serve.deck import Deck

from . import malformed
from .live import exchange, listening

_THREADS = 8


@pytest.mark.parametrize("count", [600, pytest.param(20_000, marks=pytest.mark.slow)])
def test_malformed_requests_are_refused(
    deck: Deck, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    def send(thread: int) -> Counter[int]:
        random = Random(f"{count} {thread}")
        found: Counter[int] = Counter()
        for _ in range(count // _THREADS):
            if random.random() < 0.1:
                with socket.create_connection(("127.0.0.1", port)) as line:
                    line.sendall(malformed.unended(random))
                found[0] += 1
                continue
            sent = malformed.one(random)
            answer = exchange(port, sent, wait=60)  # raises where it hangs
            status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 1
            assert status < 500, (sent[:300], answer[:300])
            found[status] += 1
        return found

    with (
        caplog.at_level(logging.ERROR),
        listening(deck, body=1 << 18, seconds=50) as port,
        ThreadPoolExecutor(_THREADS) as many,
    ):
        found = sum(many.map(send, range(_THREADS)), Counter[int]())
        body = json.dumps(malformed.VALID).encode()
        right = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        answer = exchange(port, right + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert answer.startswith(b"HTTP/1.1 200")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert found.total() == count
    assert found[1] < 0.05 * count, "few are closed without an answer"
    assert {400, 404, 405, 422} <= set(found), found
