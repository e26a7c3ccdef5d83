"""Many at once, and those who stall, leave or ask for too much, over real connections."""

from __future__ import annotations

import hmac
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from weft.serve import guard
from weft.serve.deck import Deck

from .. import tiny
from .live import exchange, listening, stuck

NAMES = ("two", "three", "four", "words")


def head(length: int) -> bytes:
    return (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def test_each_of_many_gets_its_own_answer(deck: Deck) -> None:
    asked = [(NAMES[k % 4], tiny.texts(1 + k % 5, seed=k)) for k in range(120)]

    def ask(one: tuple[str, list[str]]) -> Any:
        body = {"inputs": one[1], "adapter": one[0]}
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=body, timeout=30)
        assert answer.status_code == 200
        return answer.json()

    with listening(deck) as port, ThreadPoolExecutor(24) as many:
        answers = list(many.map(ask, asked))
        counted = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    for (name, texts), answer in zip(asked, answers, strict=True):
        one = deck.adapters[name]
        (alone,) = one.engine.compute([(one.place, one.engine.read(texts))])
        for row, said in zip(alone, answer, strict=True):
            found = {entry["label"]: entry["score"] for entry in said}
            np.testing.assert_allclose([found[k] for k in one.card.labels], row, atol=5e-6)
    mixed = next(line for line in counted.splitlines() if line.startswith("weft_mixed_steps_total"))
    assert float(mixed.rpartition(" ")[2]) > 0, "some steps held several adapters"


def test_a_body_that_does_not_come_is_given_up(deck: Deck) -> None:
    with listening(deck, seconds=0.3) as port:
        began = time.monotonic()
        answer = exchange(port, head(100) + b'{"inputs"')
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"error_type":"timeout"' in answer
        assert time.monotonic() - began < 5


def test_whoever_leaves_holds_no_place(deck: Deck) -> None:
    body = json.dumps({"inputs": tiny.texts(20)}).encode()
    with listening(deck, queue=100) as port:
        for _ in range(60):
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(head(len(body)) + body)
        until = time.monotonic() + 20
        while "weft_texts_waiting 0.0" not in httpx.get(f"http://127.0.0.1:{port}/metrics").text:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert exchange(port, head(len(body)) + body).startswith(b"HTTP/1.1 200")


def test_who_finds_no_room_is_told_when_to_come_again(deck: Deck) -> None:
    def ask(_: int) -> tuple[int, str | None]:
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"inputs": "a"}, timeout=30)
        return answer.status_code, answer.headers.get("retry-after")

    with listening(stuck(deck, 0.3), queue=3) as port, ThreadPoolExecutor(12) as many:
        found = list(many.map(ask, range(12)))
        assert {status for status, _ in found} == {200, 429}
        assert all((status == 429) == (after is not None) for status, after in found)
        assert all(int(after) >= 1 for _, after in found if after)
        assert ask(0) == (200, None)


def test_the_token_is_compared_in_constant_time(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, wanted: bytes) -> bool:
        compared.append((given, wanted))
        return hmac.compare_digest(given, wanted)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(guard, "hmac", Watched)
    with listening(deck, "secret") as port:
        for token, status in (("s", 401), ("secres", 401), ("secret", 200)):
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.get(f"http://127.0.0.1:{port}/adapters", headers=headers)
            assert answer.status_code == status
    assert [given for given, _ in compared] == [b"Bearer s", b"Bearer secres", b"Bearer secret"]
