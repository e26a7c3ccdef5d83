"""The command itself: it starts, answers, and on SIGTERM finishes what it has begun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .. import tiny
from ..cli.command import SRC
from .live import free_port


def ask(port: int, path: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


@pytest.fixture
def process(models: dict[str, Path]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    named = [f"{name}={models[name]}" for name in ("two", "four")]
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH")]))
    command = "from weft.cli.app import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", command, "serve", *named, "--port", str(port)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            until = time.monotonic() + 300  # a busy machine takes its time
            while True:
                try:
                    assert ask(port, "/ready") == {"status": "ready"}
                    break
                except urllib.error.URLError:
                    assert running.poll() is None, running.communicate()[1]
                    assert time.monotonic() < until
                    time.sleep(0.1)
            yield running, port
        finally:
            running.kill()


def test_it_ends_when_told_and_loses_no_answer(
    process: tuple[subprocess.Popen[str], int],
) -> None:
    running, port = process
    texts = tiny.texts(100)
    with ThreadPoolExecutor(4) as many:
        asked = [
            many.submit(ask, port, "/predict", {"inputs": texts, "adapter": name})
            for name in ("two", "four") * 2
        ]
        time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        answers = [one.result() for one in asked]
    assert [len(answer) for answer in answers] == [100] * 4
    _, said = running.communicate(timeout=120)
    assert running.returncode in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in said.splitlines()]
    events = [line["event"] for line in lines]
    assert "ended" in events
    assert events.index("listening") < events.index("ready")
    (listening,) = [line for line in lines if line["event"] == "listening"]
    assert listening["addresses"] == [f"http://127.0.0.1:{port}"]
    assert texts[0] not in said
    with pytest.raises(urllib.error.URLError):
        ask(port, "/health")
