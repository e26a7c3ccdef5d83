"""The server's paths, and what each answers."""

from __future__ import annotations

import asyncio
import difflib
import json
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, cast

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from weft.serve.batcher import Batcher, FullError
from weft.serve.deck import Adapter, Deck, Rows
from weft.serve.guard import Guard, refusal
from weft.serve.limits import Limits
from weft.serve.schemas import Answers, Ask, AskWhy, Failed, Offered, State, Why, Word
from weft.serve.telling import Counts, log
from weft.serve.why import MOST_WORDS, values, words_of
from weft.serve.wording import wording

_NAMED = 20  # adapters that a refusal names; /adapters has all
_WORDS = {
    400: "a body that cannot be read",
    401: "no token, or a wrong one",
    404: "no such adapter",
    408: "the body did not arrive in time",
    413: "too much at once",
    422: "no JSON, or not what is asked for",
    429: "too much is waiting: come again after Retry-After seconds",
    504: "not done in time",
}
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failed, "description": words} for status, words in _WORDS.items()
}


class _RefusedError(Exception):
    def __init__(self, status: int, kind: str, text: str, **headers: str) -> None:
        super().__init__(text)
        self.answer = refusal(status, kind, text, **headers)


def create_app(deck: Deck, limits: Limits, token: str | None = None) -> FastAPI:
    """The application over loaded adapters.

    Args:
        token: that every request but those for health and page must bring; None: none.
    """
    return _Server(deck, limits).app(token)


class _Server:
    def __init__(self, deck: Deck, limits: Limits) -> None:
        self._deck, self._limits = deck, limits
        self._batcher: Batcher | None = None
        self._explaining = ThreadPoolExecutor(1, "weft-why")
        self._counts = Counts(lambda: 0 if self._batcher is None else self._batcher.waiting)

    def app(self, token: str | None) -> FastAPI:
        app = FastAPI(
            title="weft",
            summary="Text classifiers, many adapters over one frozen encoder.",
            lifespan=self._lifespan,
            docs_url=None,
            redoc_url=None,
        )
        app.add_middleware(
            cast("Any", Guard), limits=self._limits, token=token, counts=self._counts
        )
        app.add_exception_handler(_RefusedError, lambda _, error: cast("Any", error).answer)
        app.add_exception_handler(RequestValidationError, _invalid)
        app.add_exception_handler(HTTPException, _http)
        app.add_exception_handler(Exception, _failed)
        kept = {"responses": _FAILURES}
        app.post("/predict", response_model=Answers, **cast("Any", kept))(self.predict)
        app.post("/why", **cast("Any", kept))(self.why)
        app.get("/adapters", responses={401: _FAILURES[401]})(self.adapters)
        app.get("/health")(self.health)
        app.get("/ready", responses={503: {"model": State}})(self.ready)
        app.get("/metrics", response_class=Response, responses={401: _FAILURES[401]})(self.metrics)
        for path, file, kind in (
            ("/", "index.html", "text/html"),
            ("/page.js", "page.js", "text/javascript"),
            ("/page.css", "page.css", "text/css"),
        ):
            app.get(path, include_in_schema=False)(_static(file, kind))
        return app

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncGenerator[None]:
        self._batcher = batcher = Batcher(self._limits, self._counts.step)
        log("ready", adapters=list(self._deck.adapters), encoders=self._deck.encoders)
        yield
        self._batcher = None
        await asyncio.to_thread(batcher.close)
        self._explaining.shutdown(cancel_futures=True)
        log("ended")

    async def predict(self, ask: Ask, request: Request) -> Any:
        """Labels and their probabilities, the most probable first; of several texts a list each."""
        adapter = self._adapter(ask.adapter)
        texts = ask.texts
        self._bounded(texts)
        request.state.adapter, request.state.texts = adapter.name, len(texts)
        rows = await self._ask(adapter, texts)
        self._counts.texts.labels(adapter.name).inc(len(texts))
        answers = [_ranked(adapter, row, ask.most) for row in rows]
        said = answers[0] if isinstance(ask.inputs, str) else answers
        # as it is: checking the answer against its schema would cost more than writing it
        return Response(json.dumps(said, ensure_ascii=False), media_type="application/json")

    async def why(self, ask: AskWhy, request: Request) -> Why:
        """Which words of a text carried its label."""
        adapter = self._adapter(ask.adapter)
        self._bounded([ask.inputs])
        words = words_of(ask.inputs)
        if len(words) > MOST_WORDS:
            raise _RefusedError(
                413, "validation", f"{len(words)} words; of at most {MOST_WORDS} each is weighed"
            )
        request.state.adapter, request.state.texts = adapter.name, 1
        whole, none = await self._ask(adapter, [ask.inputs, ""])
        label = int(whole.argmax())
        loop, gone = asyncio.get_running_loop(), threading.Event()

        def asked(texts: Sequence[str]) -> Rows:
            if gone.is_set():  # nobody waits for the words any more
                raise _RefusedError(504, "timeout", "given up")
            return asyncio.run_coroutine_threadsafe(self._ask(adapter, texts), loop).result()

        try:
            found = await loop.run_in_executor(self._explaining, values, ask.inputs, label, asked)
        finally:
            gone.set()
        said = [
            Word(word=word, begin=begin, score=value)
            for (begin, word), value in zip(words, found, strict=True)
        ]
        score, without = float(whole[label]), float(none[label])
        return Why(label=adapter.card.labels[label], score=score, without=without, words=said)

    async def adapters(self) -> list[Offered]:
        """All that can be asked for; the first is asked where none is named."""
        return [_offered(adapter) for adapter in self._deck.adapters.values()]

    async def health(self) -> State:
        """Whether the process answers."""
        return State(status="ok")

    async def ready(self) -> Any:
        """Whether it takes texts."""
        if self._batcher is None:
            return Response('{"status":"ending"}', 503, media_type="application/json")
        return State(status="ready")

    async def metrics(self) -> Response:
        """Counts, as Prometheus reads them."""
        return Response(self._counts.page(), media_type="text/plain; version=0.0.4")

    def _adapter(self, name: str | None) -> Adapter:
        found = self._deck.adapters.get(self._deck.default if name is None else name)
        if found is None:
            known = list(self._deck.adapters)
            near = difflib.get_close_matches(name or "", known, n=1)
            hint = f", the nearest is {near[0]}" if near else ""
            more = ", ..." if len(known) > _NAMED else ""
            said = f"there is no such adapter{hint}; there are {', '.join(known[:_NAMED])}{more}"
            raise _RefusedError(404, "unknown", said)
        return found

    def _bounded(self, texts: Sequence[str]) -> None:
        limits = self._limits
        if len(texts) > limits.texts:
            raise _RefusedError(413, "validation", f"{len(texts)} texts; at most {limits.texts}")
        longest = max(map(len, texts))
        if longest > limits.characters:
            most = f"{limits.characters:,}"
            raise _RefusedError(
                413, "validation", f"a text of {longest:,} characters; at most {most}"
            )

    async def _ask(self, adapter: Adapter, texts: Sequence[str]) -> Rows:
        if self._batcher is None:
            raise _RefusedError(429, "overloaded", "the server is ending", retry_after="5")
        try:
            return await self._batcher.probabilities(adapter, texts)
        except FullError as error:
            seconds = str(max(1, round(error.seconds)))
            raise _RefusedError(
                429, "overloaded", "too much is waiting", retry_after=seconds
            ) from None


def _ranked(adapter: Adapter, row: Rows, top: int | None) -> list[dict[str, str | float]]:
    """As `Scored` has it."""
    order = cast("list[int]", np.argsort(-row, kind="stable")[:top].tolist())
    return [{"label": adapter.card.labels[k], "score": min(float(row[k]), 1.0)} for k in order]


def _offered(adapter: Adapter) -> Offered:
    card = adapter.card
    return Offered(
        name=adapter.name,
        method=card.method,
        labels=list(card.labels),
        backbone=None if card.backbone is None else card.backbone.name,
        temperature=None if card.calibration is None else card.calibration.temperature,
    )


def _static(file: str, kind: str) -> Any:
    content = files("weft.serve").joinpath("page", file).read_bytes()
    policy = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
    }

    async def page() -> Response:
        return Response(content, media_type=kind, headers=headers)

    return page


def _invalid(request: Request, error: Exception) -> Response:
    faults = cast("RequestValidationError", error).errors()
    return refusal(422, "validation", wording(request.url.path, faults))


def _http(_request: Request, error: Exception) -> Response:
    own = cast("HTTPException", error)
    headers = {name.replace("-", "_"): value for name, value in (own.headers or {}).items()}
    kind = "unknown" if own.status_code in (404, 405) else "validation"
    return refusal(own.status_code, kind, str(own.detail), **headers)


def _failed(_request: Request, error: Exception) -> Response:
    log("failed", error=error)
    return refusal(500, "server", "this should not happen: see the server's log")
