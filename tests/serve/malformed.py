"""Requests that are wrong in every layer: bytes, HTTP, headers, JSON, types, values."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

VALID: dict[str, Any] = {"inputs": ["dull but kind", "a film"], "adapter": "two", "top_k": 1}
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**30, -(10**400), 0.5, 1e308, float("nan"), float("inf")),
    *("", " ", "\x00", "\ud800", "a" * 5_000, "two", "\u202e", "💥" * 50, "NULL", "' or 1=1 --"),
    *([], [[]], [""], ["a", None], {}, {"a": {"b": []}}, [["a"]], ["a"] * 500),
)
_KEYS = ("inputs", "adapter", "top_k", "Inputs", "", "\ud800", "__proto__", "parameters", "k" * 999)
_HEADERS = (
    *(b"Content-Type: text/plain", b"Content-Type: application/xml", b"Content-Type: \xff\xfe"),
    *(b"Content-Type: application/json; charset=utf-7", b"Content-Encoding: gzip", b": empty"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Expect: x"),
    *(b"Content-Length: -1", b"Content-Length: 1e3", b"Content-Length: " + b"9" * 400),
    *(b"Content-Length: 5\r\nContent-Length: 6", b"Upgrade: websocket\r\nConnection: upgrade"),
    *(b"Authorization: Bearer \xc3\x28", b"X-Long: " + b"a" * 30_000, b"X Y: z", b"nocolon"),
    *(b"Host:", b"Host: a\r\nHost: b", b"Accept: \x00", b"Range: bytes=0-", b"Cookie: a=\x07"),
)
_PATHS = (
    *(b"/predict", b"/why", b"/adapters", b"/health", b"/ready", b"/metrics", b"/openapi.json"),
    *(b"/", b"*", b"//", b"/predict/", b"/%", b"/%00", b"/%ff", b"/../../etc/passwd", b"\xff"),
    *(b"/predict?" + b"a" * 9_000, b"http://elsewhere/predict", b"/predict#x", b"/page.js/..", b""),
)
_METHODS = (
    *(b"POST", b"GET", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"),
    *(b"post", b"P\x00ST", b"", b"A" * 300, b"PRI"),
)


def one(random: Random) -> bytes:
    """Any of them. What is asked of a path that answers may come out right by chance.

    All end, so that an answer may be waited for, but those of `unended`.
    """
    kinds: tuple[Callable[[Random], bytes], ...] = (
        *(_typed, _typed, _cut, _flipped, _framed, _routed, _chunked, _noise, _deep),
    )
    return random.choice(kinds)(random)


def _request(
    body: bytes, *headers: bytes, method: bytes = b"POST", path: bytes = b"/predict"
) -> bytes:
    own = list(headers) or [b"Content-Type: application/json"]
    if not any(header.lower().startswith((b"content-length", b"transfer")) for header in own):
        own.append(b"Content-Length: %d" % len(body))
    own.append(b"Connection: close")
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: x", *own, b"", body])


def _path(random: Random) -> bytes:
    return random.choice((b"/predict", b"/predict", b"/why"))


def _typed(random: Random) -> bytes:
    """JSON of the wrong kind."""
    body: Any = dict(VALID)
    for _ in range(random.randint(1, 3)):
        body[random.choice(_KEYS)] = random.choice(_VALUES)
    if random.random() < 0.3:
        body.pop("inputs", None)
    if random.random() < 0.2:
        body = random.choice(_VALUES)
    return _request(json.dumps(body).encode(), path=_path(random))


def _cut(random: Random) -> bytes:
    """JSON that ends too early."""
    body = json.dumps(VALID).encode()
    return _request(body[: random.randrange(len(body))], path=_path(random))


def _flipped(random: Random) -> bytes:
    """JSON with bytes changed."""
    body = bytearray(json.dumps(VALID).encode())
    for _ in range(random.randint(1, 6)):
        body[random.randrange(len(body))] = random.randrange(256)
    return _request(bytes(body), path=_path(random))


def _framed(random: Random) -> bytes:
    """Odd headers."""
    body = json.dumps(VALID).encode()
    return _request(body, *random.sample(_HEADERS, random.randint(1, 2)), path=_path(random))


def _routed(random: Random) -> bytes:
    """Odd methods and paths."""
    body = json.dumps(VALID).encode()
    method, path = random.choice(_METHODS), random.choice(_PATHS)
    return _request(body, method=method, path=path)


def _chunked(random: Random) -> bytes:
    """Chunks whose sizes lie, or are none; none promises more than comes."""
    size = random.choice((b"5", b"05;a", b"-1", b"zz", b"0x5", b"", b"5 5", b"0"))
    body = size + b"\r\n" + random.randbytes(random.randint(0, 9)) + b"\r\n0" + b"\r\n" * 9
    return _request(body, b"Transfer-Encoding: chunked", b"Content-Type: application/json")


def _noise(random: Random) -> bytes:
    """No HTTP at all."""
    return random.randbytes(random.randint(1, 300)) + b"\r\n\r\n"


def _deep(random: Random) -> bytes:
    """JSON that is nested, or long in what should be short."""
    depth = random.choice((10, 1_000, 60_000))
    opened = random.choice((b"[", b'{"inputs":'))
    numbers = b'{"inputs": "a", "top_k": ' + b"9" * random.choice((20, 5_000)) + b"}"
    return _request(random.choice((opened * depth, numbers)), path=_path(random))


def unended(random: Random) -> bytes:
    """Ends too early: in its head or in its body, and whoever sent it is gone."""
    whole = _request(json.dumps(VALID).encode(), path=_path(random))
    return whole[: random.randrange(1, len(whole))]
