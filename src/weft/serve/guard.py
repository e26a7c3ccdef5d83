"""What stands before every request: the token, the size of the body, the clock, and the counts."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.serve.limits import Limits
from weft.serve.telling import Counts, log

_OPEN = frozenset(("/health", "/ready", "/", "/page.js", "/page.css"))
"""Paths that need no token: they say nothing of texts or models."""


def refusal(status: int, kind: str, text: str, **headers: str) -> JSONResponse:
    """An answer that is none."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"error": text, "error_type": kind}, status, names)


class Guard:
    """ASGI middleware.

    Args:
        app: what answers.
        token: that must be given as `Authorization: Bearer TOKEN`; None: none.
        counts: told of every request.
    """

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None, counts: Counts) -> None:
        self._app, self._limits, self._counts = app, limits, counts
        self._bound = f"the body holds more than {limits.body:,} bytes"
        self._wanted = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            if not self._known(scope):
                answer = refusal(
                    401, "authentication", "give the token: Authorization: Bearer TOKEN",
                    www_authenticate="Bearer",
                )  # fmt: skip
                await answer(scope, receive, tell)
            elif self._said_length(scope) > self._limits.body:
                answer = refusal(413, "validation", self._bound, connection="close")
                await answer(scope, receive, tell)
            else:
                await self._timed(scope, receive, tell)
        finally:
            seconds = time.perf_counter() - began
            route = scope.get("route")
            path = str(getattr(route, "path", "other"))
            self._counts.requests.labels(path, str(status)).inc()
            self._counts.seconds.labels(path).observe(seconds)
            state: MutableMapping[str, Any] = scope.get("state", {})
            fields = {k: state[k] for k in ("adapter", "texts") if k in state}
            log(
                "request",
                method=scope["method"],
                path=path,
                status=status,
                milliseconds=round(seconds * 1000, 1),
                **fields,
            )

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or says that it took too long: the request to come, or its answer."""
        arrived = begun = False
        taken = 0

        async def counted() -> Message:
            """The same messages, until they hold more bytes than allowed."""
            nonlocal arrived, taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limits.body:
                raise HTTPException(413, self._bound)
            arrived = arrived or not message.get("more_body", False)
            return message

        async def tell(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._app(scope, counted, tell)
        except TimeoutError:
            if begun:
                raise
            limit = f"within {self._limits.seconds:g} seconds"
            status, text = (504, "not done") if arrived else (408, "the request did not arrive")
            answer = refusal(status, "timeout", f"{text} {limit}", connection="close")
            await answer(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        if self._wanted is None or scope["path"] in _OPEN:
            return True
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        return hmac.compare_digest(given, self._wanted)

    def _said_length(self, scope: Scope) -> int:
        said = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        # a number that no computer holds is more than any bound
        return 0 if not said.isdigit() else int(said) if len(said) < 19 else 1 << 63
