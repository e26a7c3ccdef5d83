"""`weft serve`: saved models behind HTTP."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Annotated

import typer

from weft.errors import ConfigError

_TOKEN = "WEFT_TOKEN"


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Models' folders (ours or PEFT's), STUDY:best or STUDY:RUN; NAME=MODEL names one."
        ),
    ],
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8080,
    backbone: Annotated[
        str | None, typer.Option(help="Where the encoder is, if not where the models say.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar=_TOKEN, help="Asked of every request for texts or models."),
    ] = None,
    max_texts: Annotated[int, typer.Option(min=1, help="Texts of one request.")] = 128,
    max_characters: Annotated[int, typer.Option(min=1, help="Of one text.")] = 20_000,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 1 << 20,
    queue: Annotated[int, typer.Option(min=1, help="Texts that may wait.")] = 2_048,
    timeout: Annotated[float, typer.Option(min=0.01, help="Seconds to an answer.")] = 30.0,
) -> None:
    """Answer over HTTP: many adapters over one encoder, and a page to try them."""
    try:
        import uvicorn

        from weft.serve.app import create_app
        from weft.serve.deck import open_deck
        from weft.serve.door import close, listen, reserve
        from weft.serve.limits import Limits
        from weft.serve.telling import log, log_to_stderr
    except ImportError as error:
        raise ConfigError(
            "the server's packages are not installed",
            found=str(error),
            remedy='pip install "weft[serve]"',
        ) from error

    limits = Limits(
        body=max_body, texts=max_texts, characters=max_characters, queue=queue, seconds=timeout
    )
    if token is not None and not token.strip():
        raise ConfigError("the token is empty", remedy=f"give one with --token or {_TOKEN}")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    door = reserve(host, port)  # a port that is taken is told before models are loaded
    try:
        deck = open_deck(models, backbone)
        log_to_stderr()
        if host not in ("127.0.0.1", "::1", "localhost") and token is None:
            log(
                "open to others without a token: anybody who reaches this address may ask",
                host=host,
            )
        app = create_app(deck, limits, token)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=round(timeout),
            server_header=False,
        )
        log("listening", addresses=listen(door))
        with suppress(KeyboardInterrupt):  # it has ended as it should
            uvicorn.Server(config).run(sockets=door)
    finally:
        close(door)
