"""The benchmark for a GPU, tried without one on a tiny encoder; no figure of it is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.slow
def test_both_sides_are_measured_and_profiled(tmp_path: Path) -> None:
    for name, count in (("train", 1600), ("dev", 20)):
        lines = [f"the {name} film number {k} is {['dull', 'good'][k % 2]}" for k in range(count)]
        text = "".join(f"{line}\t{k % 2}\n" for k, line in enumerate(lines))
        (tmp_path / f"{name}.tsv").write_text(f"sentence\tlabel\n{text}", encoding="utf-8")
    out = tmp_path / "gpu.json"
    said = run("--data", str(tmp_path), "--quick", "--out", str(out))
    assert said.returncode == 0, said.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found == json.loads(said.stdout)
    assert found["quick"] is True
    assert found["ours"]["steps"] == 2  # the larger size has two batches, and runs move together
    assert found["ours"]["seconds"] > 0
    assert not found["ours"]["met"]
    assert found["peer"]["ratio"] == found["peer"]["seconds"] / found["ours"]["seconds"]
    assert not found["peer"]["met"]
    assert found["peer"]["trained"] == [32, 48]
    assert set(found["peer"]["of_each"]) == {"32", "48", "64"}
    assert "aten::" in (tmp_path / "gpu_profile.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_nothing_is_measured(tmp_path: Path) -> None:
    said = run("--data", str(tmp_path))
    assert said.returncode == 2
    assert "no GPU" in said.stderr
