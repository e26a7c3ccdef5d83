"""`weft serve` under load: requests a second, how long they take, and how long it bears it.

    python benchmarks/serving.py --data ../shared/data/sst2
    python benchmarks/serving.py --data ../shared/data/sst2 --parts endure

16 adapters of MiniLM are trained briefly on SST-2, in one bank; wrk asks over loopback, a sentence
of SST-2's development set a request, adapters in turn. Every request is computed: there is no
cache. Both cores are shared by server and wrk.

- levels: 8 adapters at 1, 16, 64 and 256 connections.
- peer: at 64 connections, beside FastAPI around one merged model's `transformers.pipeline`, in
  turns; the ratio is that to the best way to write the peer with the model as it comes (float32);
  bfloat16 stands beside it. Target: at least 4.
- adapters: 1 beside 16, in turns. Target: less than 15 % of throughput lost.
- endure: 200,000 requests in a row, of the shortest tenth of the sentences, for it is the server
  that is tried and not the encoder: no error, and no more memory at the end than after a tenth.

A part that is measured anew replaces its own figures alone, if machine and versions are the same.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from measure import load
from measure.pairing import alternate
from measure.prediction import merge
from measure.serving_page import page
from weft.config import DataSettings
from weft.data import sources, splits
from weft.machine import describe, versions
from weft.nn.source import packaged

LEVELS = (1, 16, 64, 256)
ADAPTERS, MOST = 8, 16
AT = 64  # connections of the comparisons
PARTS = ("levels", "peer", "adapters", "endure")
ENDURE = 200_000
GROWTH = 1.05  # of memory between a tenth of the requests and all of them
PEERS = (("threads", "float32"), ("loop", "float32"), ("loop", "bfloat16"))


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of GLUE's SST-2")
    parser.add_argument("--parts", default="levels,peer,adapters", help=",".join(PARTS))
    parser.add_argument("--seconds", type=int, default=8, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side")
    parser.add_argument("--requests", type=int, default=ENDURE, help="of the part endure")
    parser.add_argument("--scratch", type=Path, help="where the adapters are kept, and found again")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/serving.json"))
    given = parser.parse_args()
    parts = given.parts.split(",")
    if not parts or set(parts) - set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    load.wrk()
    with contextlib.ExitStack() as stack:
        scratch = given.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(given, scratch)
        for part in parts:
            print(part, file=sys.stderr)
            figures = getattr(bench, part)()
            result = begun(given.out)
            result["parts"][part] = figures | {
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "command": shlex.join(["python", *sys.argv]),
            }
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            given.out.with_suffix(".md").write_text(page(result), encoding="utf-8")
    print(page(result))
    return 0


class Bench:
    """Adapters, what is asked, and the measurements."""

    def __init__(self, given: Any, scratch: Path) -> None:
        self._given, self._scratch = given, scratch.absolute()
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._models = self._trained()

    def levels(self) -> dict[str, Any]:
        """Rate and latency by connections."""
        with load.weft(self._some(ADAPTERS), self._scratch) as server:
            bodies = self._bodies(ADAPTERS)
            server.load(bodies, AT, 3)
            told = {str(n): server.load(bodies, n, self._given.seconds) for n in LEVELS}
            return {"levels": told, "server": _steps(server), "memory_mib": round(server.memory)}

    def peer(self) -> dict[str, Any]:
        """Beside each way to write the peer, in turns."""
        merged = self._scratch / "merged"
        if not merged.exists():
            merge(packaged(), Path(self._models[0].partition("=")[2]), merged)
        with contextlib.ExitStack() as stack:
            servers = {"weft": stack.enter_context(load.weft(self._some(ADAPTERS), self._scratch))}
            for kind, dtype in PEERS:
                peer = load.pipeline(merged, kind, dtype, self._scratch)
                servers[f"{kind}, {dtype}"] = stack.enter_context(peer)
            figures, told = self._turns(servers, dict.fromkeys(servers, self._bodies(ADAPTERS)))
        plain = [name for name in figures if name.endswith("float32")]
        best = max(plain, key=lambda name: median(figures[name]))
        ratios = {n: round(_ratio(figures["weft"], figures[n]), 2) for n in figures if n != "weft"}
        return {"rates": figures, "last": told, "best": best, "ratios": ratios}

    def adapters(self) -> dict[str, Any]:
        """One adapter beside many."""
        with contextlib.ExitStack() as stack:
            servers = {
                str(n): stack.enter_context(load.weft(self._some(n), self._scratch))
                for n in (1, MOST)
            }
            bodies = {str(n): self._bodies(n) for n in (1, MOST)}
            figures, told = self._turns(servers, bodies)
        ratio = _ratio(figures[str(MOST)], figures["1"])
        return {"rates": figures, "last": told, "lost": round(1 - ratio, 4)}

    def endure(self) -> dict[str, Any]:
        """So many requests in a row, by stretches, with the server's memory after each."""
        bodies = self._bodies(ADAPTERS, shortest=0.1)
        stretches: list[dict[str, Any]] = []
        with load.weft(self._some(ADAPTERS), self._scratch) as server:
            while sum(one["requests"] for one in stretches) < self._given.requests:
                told = server.load(bodies, AT, max(self._given.seconds, 15))
                stretches.append(told | {"memory_mib": round(server.memory, 1)})
                print(f"  {stretches[-1]}", file=sys.stderr)
            failed = server.log.read_text().count('"level": "error"')
        total = sum(one["requests"] for one in stretches)
        warm = next(
            one["memory_mib"]
            for one, done in zip(
                stretches, itertools.accumulate(s["requests"] for s in stretches), strict=True
            )
            if done >= total / 10
        )
        last = stretches[-1]["memory_mib"]
        return {
            "requests": total,
            "errors": sum(one["errors"] for one in stretches),
            "errors_in_log": failed,
            "seconds": round(sum(one["seconds"] for one in stretches), 1),
            "memory_mib": {"after a tenth": warm, "at the end": last},
            "grew": last > GROWTH * warm,
            "stretches": stretches,
        }

    def _turns(
        self, servers: dict[str, load.Served], bodies: dict[str, Path]
    ) -> tuple[dict[str, list[float]], dict[str, Any]]:
        """Rates of all sides, and what was told of the last turn."""
        told: dict[str, Any] = {}

        def side(name: str) -> Any:
            def rate(_: int) -> float:
                told[name] = servers[name].load(bodies[name], AT, self._given.seconds)
                return float(told[name]["rate"])

            return rate

        for name, server in servers.items():
            server.load(bodies[name], AT, 2)
        return alternate({n: side(n) for n in servers}, self._given.repeats, "requests/s"), told

    def _trained(self) -> list[str]:
        """NAME=FOLDER of each adapter; a study trains them all in one bank."""
        study = self._scratch / "study"
        if (study / "results.json").is_file():  # which a study writes when it has ended
            return _named(study)
        command = [
            *("study", "sst2", "--data", self._given.data, "--backbone", "minilm", "--quiet"),
            *("--methods", "lora", "--sizes", "128", "--seeds", str(MOST), "--epochs", "1"),
            *("--precision", "bf16"),
            *("--out", str(study)),
        ]
        subprocess.run(
            [sys.executable, "-c", "from weft.cli import main; main()", *command],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return _named(study)

    def _some(self, count: int) -> list[str]:
        return self._models[:count]

    def _bodies(self, adapters: int, shortest: float = 1.0) -> Path:
        """A file of requests, one a line: texts of the development set, or the shortest part of
        them, adapters in turn."""
        settings = DataSettings(source="sst2", folder=str(self._given.data))
        texts = splits.split(sources.load(settings), settings, [128]).test.texts
        texts = sorted(texts, key=len)[: round(shortest * len(texts))] if shortest < 1 else texts
        path = self._scratch / f"bodies-{adapters}-{shortest:g}.jsonl"
        lines = [
            json.dumps({"inputs": text, "adapter": f"a{k % adapters}"})
            for k, text in enumerate(texts)
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def _named(study: Path) -> list[str]:
    folders = sorted(study.glob("runs/*/adapter"))
    assert len(folders) == MOST, folders
    return [f"a{k}={folder}" for k, folder in enumerate(folders)]


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of ratios within a turn."""
    return median(a / b for a, b in zip(above, below, strict=True))


def _steps(server: load.Served) -> dict[str, float]:
    """What the server counted: texts a step, and the seconds it computed."""
    lines = (line.rpartition(" ") for line in server.get("/metrics").splitlines())
    counts = {name: float(value) for name, _, value in lines if not name.startswith("#")}
    steps, texts = counts["weft_step_texts_count"], counts["weft_step_texts_sum"]
    return {
        "texts_a_step": round(texts / steps, 1),
        "compute_ms_a_text": round(1000 * counts["weft_compute_seconds_total"] / texts, 3),
    }


def begun(path: Path) -> dict[str, Any]:
    """The file as it is, where machine and versions are these; else an empty one."""
    packages = ("fastapi", "uvicorn", "httptools", "uvloop")
    new = {
        "schema": 1,
        "machine": describe(),
        "versions": versions() | {name: version(name) for name in packages},
        "parts": {},
    }
    if not path.is_file():
        return new
    before = json.loads(path.read_text(encoding="utf-8"))
    return before if all(before[key] == new[key] for key in new if key != "parts") else new


if __name__ == "__main__":
    sys.exit(main())
