"""Does bf16 cost accuracy? Two finished studies that differ in precision alone, paired by seed.

    weft study sst2 --backbone minilm --data SST2 --sizes 8000 --seeds 5 --precision bf16 --out A
    weft study sst2 --backbone minilm --data SST2 --sizes 8000 --seeds 5 --precision float32 --out B
    python benchmarks/precision.py A B

Prints and writes the difference in test accuracy, A minus B, with its 95 % t interval, for every
size that both have. The two are alike at a size when the interval lies inside +-1 point.
Exit codes: 0 alike at every size, 1 not shown at some size, 2 usage.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from parity import t_interval

MARGIN = 0.01  # of accuracy


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", type=Path, help="folder of a finished study")
    parser.add_argument("second", type=Path, help="folder of the other")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/precision.json"))
    arguments = parser.parse_args()
    sides = [read(folder) for folder in (arguments.first, arguments.second)]
    if odd := [key for key in _alike(sides[0]) if _alike(sides[0])[key] != _alike(sides[1])[key]]:
        parser.error(f"the studies differ in more than precision: {', '.join(odd)}")
    sizes = [compared(sides[0]["rows"], sides[1]["rows"], size) for size in _sizes(sides)]
    if not sizes:
        parser.error("the studies have no run of the same size and seed")
    names = [side["precision"] for side in sides]
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "machine": sides[0]["facts"].get("machine"),
        "versions": sides[0]["facts"].get("versions"),
        "precisions": names,
        "margin": MARGIN,
        "sizes": sizes,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for size in sizes:
        low, high = (f"{100 * bound:+.2f}" for bound in size["interval"])
        print(
            f"{size['size']:,} examples, {size['seeds']} seeds: {names[0]} minus {names[1]} "
            f"{100 * size['difference']:+.2f} points ({low} to {high}), "
            + ("inside ±1" if size["alike"] else "not shown to be inside ±1")
        )
    return 0 if all(size["alike"] for size in sizes) else 1


def read(folder: Path) -> dict[str, Any]:
    """A study's facts, its precision, and its LoRA runs' test accuracy by (size, seed)."""
    facts = json.loads((folder / "results.json").read_text(encoding="utf-8"))["facts"]
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = {
            (int(entry["size"]), int(entry["seed"])): float(entry["test_accuracy"])
            for entry in csv.DictReader(file)
            if entry["method"] == "lora" and entry["test_accuracy"]
        }
    return {"facts": facts, "precision": facts["backbone"]["precision"], "rows": rows}


def compared(
    first: dict[tuple[int, int], float], second: dict[tuple[int, int], float], size: int
) -> dict[str, Any]:
    """The paired differences at a size, their mean and its interval."""
    seeds = sorted(seed for s, seed in first if s == size and (s, seed) in second)
    differences = np.array([first[size, seed] - second[size, seed] for seed in seeds])
    interval = t_interval(differences) or (-1.0, 1.0)
    return {
        "size": size,
        "seeds": len(seeds),
        "first": [first[size, seed] for seed in seeds],
        "second": [second[size, seed] for seed in seeds],
        "difference": float(differences.mean()),
        "interval": interval,
        "alike": interval[0] >= -MARGIN and interval[1] <= MARGIN,
    }


def _sizes(sides: list[dict[str, Any]]) -> list[int]:
    return sorted({size for size, _ in sides[0]["rows"].keys() & sides[1]["rows"].keys()})


def _alike(side: dict[str, Any]) -> dict[str, Any]:
    """What must not differ: data, weights and every setting that shapes a LoRA run."""
    facts, config = side["facts"], side["facts"]["config"]
    return {
        "data": facts["data"]["hashes"],
        "backbone": facts["backbone"]["sha256"],
        "pooling": facts["backbone"]["pooling"],
        "recipe": config["recipe"],
        "lora": config["lora"],
    }


if __name__ == "__main__":
    sys.exit(main())
