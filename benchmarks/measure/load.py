"""A server's process, and wrk (https://github.com/wg/wrk), which asks it over loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
MIB = 2**20


def wrk() -> str:
    """The load generator's path, or the end of the program in words."""
    found = shutil.which("wrk")
    if found is None:
        sys.exit("there is no wrk here, which asks the servers: apt-get install wrk")
    return found


@dataclass(frozen=True)
class Served:
    """A server that is running."""

    port: int
    process: psutil.Process
    log: Path

    @property
    def memory(self) -> float:
        """What it holds, in MiB."""
        return self.process.memory_info().rss / MIB

    def load(self, bodies: Path, connections: int, seconds: int) -> dict[str, Any]:
        """Keeps so many connections busy; what wrk tells, `rate` in requests a second."""
        said = subprocess.run(
            [
                *(wrk(), "--threads", "1", "--connections", str(connections)),
                *("--duration", f"{seconds}s", "--timeout", "30s"),
                *("--script", str(HERE / "wrk.lua"), f"http://127.0.0.1:{self.port}/predict"),
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "WEFT_BODIES": str(bodies)},
        )
        self._rest()
        told = json.loads(said.stdout.splitlines()[-1])
        return told | {"rate": round(told["requests"] / told["seconds"], 1)}

    def _rest(self) -> None:
        """Waits for what it still computes, which would be held against the next server's turn."""
        until = time.monotonic() + 60
        while self.process.cpu_percent(0.5) > 10 and time.monotonic() < until:
            pass

    def wait(self) -> Served:
        """Itself, when it answers; where it does not, the end of the program in words."""
        until = time.monotonic() + 120
        while True:
            try:
                self.get("/ready")
                return self
            except urllib.error.URLError:
                if self.process.status() == psutil.STATUS_ZOMBIE or time.monotonic() > until:
                    sys.exit(f"the server did not start: see {self.log}")
                time.sleep(0.2)

    def get(self, path: str) -> str:
        """What it answers at a path."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return str(answer.read().decode())


@contextmanager
def weft(models: Sequence[str], scratch: Path) -> Iterator[Served]:
    """`weft serve` of models; begun, not yet awaited, so that several start at once."""
    command = ["-c", "from weft.cli import main; main()", "serve", *models, "--port"]
    with _running(command, (), scratch / f"weft-{len(models)}.log") as found:
        yield found


@contextmanager
def pipeline(merged: Path, kind: str, dtype: str, scratch: Path) -> Iterator[Served]:
    """The peer; see `pipeline_server.py`."""
    command = ["-m", "measure.pipeline_server", str(merged)]
    with _running(command, (kind, dtype), scratch / f"{kind}-{dtype}.log") as found:
        yield found


@contextmanager
def _running(command: Sequence[str], after: Sequence[str], log: Path) -> Iterator[Served]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, *command, str(port), *after],
            stdout=said,
            stderr=said,
            env={**os.environ, "PYTHONPATH": path},
        )
    try:
        yield Served(port, psutil.Process(process.pid), log)
    finally:
        process.terminate()
        process.wait()
