"""Two hundred runs take no more memory, files or threads than twenty."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ..cli.command import process
from .study import make_place


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted on Linux")
def test_two_hundred_runs(tmp_path: Path) -> None:
    place = make_place(tmp_path / "place")
    soak = str(Path(__file__).with_name("soak.py"))
    said = process(sys.executable, soak, str(place), str(tmp_path / "study"), cwd=tmp_path)
    assert said.code == 0, said.err
    seen = [json.loads(line) for line in said.out.splitlines()]
    assert len(seen) == 200
    early, late = seen[19], seen[199]
    most = max(own["memory"] for own in seen[19:])
    print(json.dumps({"early": early, "late": late, "most": most}))
    assert late["memory"] <= early["memory"] * 1.03
    assert most <= early["memory"] * 1.03
    assert late["files"] <= early["files"]
    assert max(own["files"] for own in seen[19:]) <= early["files"] + 1
    assert late["threads"] <= early["threads"]
