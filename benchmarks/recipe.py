"""Which recipe should be the default? Searched on validation; test is read for the winner only.

    python benchmarks/recipe.py --data ../shared/data
    python benchmarks/recipe.py --data ../shared/data --confirm

Every candidate trains LoRA on the packaged MiniLM from the same draws of SST-2, TREC-6 and
banking77, small sets where a recipe matters most. A candidate's figure is the geometric mean, over
the data sets, of its validation loss divided by the published recipe's: below 1 it is better on the
whole. The candidates are all listed, whatever came out. `--confirm` then trains the winner on SST-2
at 1,000 with five seeds and reads test, once.
Exit code 0.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import weft
from weft.machine import describe, versions

LINEAR = ["query", "key", "value", "dense"]
CANDIDATES: dict[str, dict[str, dict[str, Any]]] = {
    "published: 5e-4, 5 epochs": {"recipe": {"learning_rate": 5e-4}},
    "5e-4, 320 steps": {"recipe": {"learning_rate": 5e-4, "min_steps": 320}},
    "1e-3, 5 epochs": {"recipe": {"learning_rate": 1e-3}},
    "1e-3, 320 steps": {"recipe": {"learning_rate": 1e-3, "min_steps": 320}},
    "1e-3, 640 steps": {"recipe": {"learning_rate": 1e-3, "min_steps": 640}},
    "2e-3, 320 steps": {"recipe": {"learning_rate": 2e-3, "min_steps": 320}},
    "2e-3, 640 steps": {"recipe": {"learning_rate": 2e-3, "min_steps": 640}},
    "5e-4, 320 steps, all linear layers": {
        "recipe": {"learning_rate": 5e-4, "min_steps": 320},
        "lora": {"target_modules": LINEAR},
    },
}
"""Settings laid over the published recipe's."""
BASE = {"batch_size": 32, "epochs": 5, "patience": 2, "min_steps": 0}
PLACES: dict[str, int] = {"sst2": 1000, "trec6": 500, "banking77": 1000}
"""Training examples of each data set."""


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--confirm", action="store_true", help="read the winner's test score")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/recipe.json"))
    arguments = parser.parse_args()
    before = _known(arguments)
    rows, confirmed = before["rows"], before["confirmed"]
    for name in CANDIDATES:
        for place, size in PLACES.items():
            if [name, place] not in [[row["candidate"], row["data"]] for row in rows]:
                with tempfile.TemporaryDirectory() as scratch:
                    result = _study(arguments.data, name, place, arguments.seeds, Path(scratch))
                    rows.append({"candidate": name, "data": place, "size": size} | _scored(result))
                _keep(arguments, rows, confirmed)
                print(json.dumps(rows[-1]), flush=True)
    best = winner(rows)
    if arguments.confirm:
        confirmed = _confirm(arguments, best)
    elif confirmed is not None and confirmed["candidate"] != best:
        confirmed = None
    _keep(arguments, rows, confirmed)
    print(page(json.loads(arguments.out.read_text(encoding="utf-8"))), end="")
    return 0


def _study(data: Path, name: str, place: str, seeds: int, folder: Path) -> weft.Result:
    chosen = CANDIDATES[name]
    source: dict[str, Any] = (
        {"source": "sst2", "folder": str(data / place)}
        if place == "sst2"
        else {"source": str(data / place)}
    )
    return weft.Study(
        source,
        backbone={"name": "minilm", "pooling": "mean", "max_length": 512},
        sizes=[PLACES[place]],
        seeds=seeds,
        methods=["lora"],
        lora=chosen.get("lora", {}),
        recipe=BASE | chosen["recipe"],
        out=folder,
    ).run()


def _scored(result: weft.Result) -> dict[str, Any]:
    """Validation scores of each seed; test stays unread."""
    names = ("validation_loss", "validation_accuracy", "best_epoch")
    return {name: result.runs[name].tolist() for name in names}


def figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of each candidate with every data set done, the geometric mean of its relative losses."""
    loss = {(row["candidate"], row["data"]): fmean(row["validation_loss"]) for row in rows}
    first = next(iter(CANDIDATES))
    return {
        name: math.exp(fmean(math.log(loss[name, p] / loss[first, p]) for p in PLACES))
        for name in CANDIDATES
        if all((name, place) in loss for place in PLACES)
    }


def winner(rows: list[dict[str, Any]]) -> str:
    """The candidate with the lowest figure."""
    found = figures(rows)
    return min(found, key=lambda name: found[name])


def _confirm(arguments: Any, name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        result = _study(arguments.data, name, "sst2", 5, Path(scratch))
        names = ("test_accuracy", "validation_accuracy")
        found = {name: result.runs[name].tolist() for name in names}
    return {"candidate": name, "data": "sst2", "size": PLACES["sst2"], **found}


def _known(arguments: Any) -> dict[str, Any]:
    """What an earlier call of the same search left."""
    if arguments.out.is_file():
        before = json.loads(arguments.out.read_text(encoding="utf-8"))
        if before["seeds"] == arguments.seeds:
            return before
    return {"rows": [], "confirmed": None}


def _keep(arguments: Any, rows: list[dict[str, Any]], confirmed: dict[str, Any] | None) -> None:
    result = {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "machine": describe(),
        "versions": versions(),
        "seeds": arguments.seeds,
        "rows": rows,
        "figures": figures(rows),
        "confirmed": confirmed,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    arguments.out.with_suffix(".md").write_text(page(result), encoding="utf-8")


def page(result: dict[str, Any]) -> str:
    """The same as Markdown."""
    cells = {(row["candidate"], row["data"]): row for row in result["rows"]}
    lines = [
        "# The recipe's search",
        "",
        (
            f"LoRA on MiniLM, mean pooling, rank 8; {result['seeds']} seeds. Validation loss "
            "(accuracy in per cent); the last column is the loss relative to the published "
            "recipe's, geometric mean over the data sets."
        ),
        "",
        "| candidate | " + " | ".join(f"{p}, {n:,}" for p, n in PLACES.items()) + " | relative |",
        "|---" * (len(PLACES) + 2) + "|",
    ]
    for name in CANDIDATES:
        row = [cells.get((name, place)) for place in PLACES]
        shown = [
            f"{fmean(one['validation_loss']):.3f} ({100 * fmean(one['validation_accuracy']):.1f})"
            if one
            else "-"
            for one in row
        ]
        figure = result["figures"].get(name)
        tail = "-" if figure is None else f"{figure:.3f}"
        lines.append("| " + " | ".join([name, *shown, tail]) + " |")
    found = result["confirmed"]
    if found is not None:
        seeds = ", ".join(f"{100 * value:.1f}" for value in found["test_accuracy"])
        lines += [
            "",
            (
                f"Chosen by validation: {found['candidate']}. On SST-2 at {found['size']:,} its "
                f"test accuracy is {100 * fmean(found['test_accuracy']):.1f} % (seeds: {seeds})."
            ),
        ]
    lines += ["", f"`{result['command']}`, {result['date'][:10]}, {result['machine']['cpu']}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
