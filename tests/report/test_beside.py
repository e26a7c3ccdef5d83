"""Drawing in two processes gives what drawing in one gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import weft

_PROGRAM = """
import os
from weft.report import beside

def pid(): return {"pid": str(os.getpid()).encode()}
def other(): return {"other": str(os.getpid()).encode()}
def third(): return {"third": b"3"}
def ends():
    if os.getpid() != mine: os._exit(9)
    return {"other": b"made again"}
mine = os.getpid()
beside._safe = lambda: True
found = beside.drawn([pid, other, third])
assert list(found) == ["pid", "other", "third"]
assert found["pid"] != found["other"]
again = beside.drawn([pid, ends, third])
assert list(again) == ["pid", "other", "third"]
assert again["other"] == b"made again"
beside._safe = lambda: False
alone = beside.drawn([pid, other])
assert alone["pid"] == alone["other"] == str(mine).encode()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely")
def test_a_second_process_draws_half_and_its_end_loses_nothing() -> None:
    source = str(Path(weft.__path__[0]).parent)
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run([sys.executable, "-c", _PROGRAM], check=True, env=environment, timeout=60)
