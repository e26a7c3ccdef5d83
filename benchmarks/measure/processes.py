"""Rows memory and start: what only a process of its own can tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measure.bench import Bench
from measure.pace import BATCH, RUNS, part
from measure.pairing import Measured, Side, alternate

BENCHMARKS = Path(__file__).parents[1]
MIB = 2**20


def memory(bench: Bench, wanted: Collection[str]) -> Measured:
    """Peak memory in MiB of a process that trains on BERT's shape; the peer's plus what the
    adapters of the bank occupy is what ours may take."""
    count = (bench.pace.warmup + bench.pace.steps) * BATCH
    examples = part(bench.training, count, 0)
    texts = bench.scratch / "texts.json"
    texts.write_text(json.dumps([examples.texts, examples.labels.tolist()]), encoding="utf-8")
    request = {"texts": str(texts), "pace": asdict(bench.pace)}
    own: dict[int, float] = {}  # MiB of the adapters, by runs
    peaks: list[float] = []

    def peer(_: int) -> float:
        folder = str(bench.folder("bert"))
        peaks.append(alone({"side": "peer", "backbone": folder, **request})["peak"] / MIB)
        return peaks[-1]

    def weft(runs: int) -> Side:
        def peak(_: int) -> float:
            backbone = bench.weft_name("bert")
            said = alone({"side": "weft", "backbone": backbone, "runs": runs, **request})
            own[runs] = said["own"] / MIB
            return said["peak"] / MIB

        return peak

    sides = {"weft": weft(1), "weft-bank": weft(RUNS)}
    sides = {name: side for name, side in sides.items() if name in wanted}
    figures = alternate({**sides, "dynamic": peer}, bench.repeats, "MiB")
    notes: dict[str, str] = {}
    for name, runs in (("weft", 1), ("weft-bank", RUNS)):
        if name in sides:
            allowed = f"dynamic + {name}"
            figures[allowed] = [peak + own[runs] for peak in figures["dynamic"]]
            notes[allowed] = f"the peer's figure holds {own[runs]:.1f} MiB of them"
    return Measured(figures, notes)


def start(bench: Bench, backbone: str) -> Measured:
    """Seconds from the start of a study's process to the end of its first training step."""
    request = {
        "side": "start",
        "data": str(bench.data),
        "backbone": bench.weft_name(backbone),
        "sizes": bench.study_sizes,
    }

    def seconds(repeat: int) -> float:
        out = bench.scratch / f"start-{backbone}-{repeat}"
        return alone({**request, "out": str(out), "began": time.time()})["seconds"]

    return Measured(alternate({"weft": seconds}, bench.repeats, "s"))


def alone(request: dict[str, Any]) -> dict[str, float]:
    """Runs `alone.py` in a fresh process; what it says in its last line."""
    path = os.pathsep.join(filter(None, [str(BENCHMARKS), os.environ.get("PYTHONPATH")]))
    said = subprocess.run(
        [sys.executable, "-m", "measure.alone", json.dumps(request)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return json.loads(said.stdout.splitlines()[-1])
