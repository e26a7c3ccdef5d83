"""One grid, searched twice: `weft.search` in one bank, and `GridSearchCV` fit by fit.

    python benchmarks/search.py --data ../shared/data/sst2
    python benchmarks/search.py --data ../shared/data/sst2 --precision bf16

Both search the same grid of learning rate, rank, dropout and targets with the same classifier,
texts, folds and seed; both refit the best. Prints and writes whether they choose the same
candidate, by log loss and by accuracy, how far apart the scores of single folds are, and both wall
times with their ratio. GridSearchCV loads the encoder for each fit and again for what the fit
predicts, as the class does when it is used alone; `load` is the time that this takes once, so that
the ratio can be read without it. One fit is made before the clock starts. Exit code 0 where the
choices agree.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

import weft
from weft.config import BackboneSettings
from weft.data.sources import load
from weft.data.splits import split
from weft.machine import describe, versions
from weft.nn import backbone as encoder
from weft.nn.bank import Bank
from weft.nn.source import find
from weft.study.presets import resolve

GRID: dict[str, list[Any]] = {"learning_rate": [5e-4, 2e-3], "r": [2, 8]}
WIDE: dict[str, list[Any]] = {
    "target_modules": [("query", "key", "value")],
    "lora_alpha": [4, 32],
    "lora_dropout": [0.0],
}
SCORES = ("neg_log_loss", "accuracy")  # the first one chooses


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", help="folder of GLUE's SST-2; without: the demo reviews")
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", default="float32", choices=["float32", "bf16"])
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/search.json"))
    arguments = parser.parse_args()
    texts, labels, hashes = _examples(arguments)
    row = measured(arguments, texts, labels)
    result = _kept(arguments.out, _settings(arguments), hashes)
    result["rows"] = [r for r in result["rows"] if r["precision"] != row["precision"]] + [row]
    result["rows"].sort(key=lambda r: r["precision"], reverse=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    arguments.out.with_suffix(".md").write_text(page(result), encoding="utf-8")
    print(page(result))
    return 0 if all(row["same_choice"].values()) else 1


def measured(given: Any, texts: list[str], labels: list[str]) -> dict[str, Any]:
    """Both searches, one after the other, and how they compare."""
    model = weft.Classifier(
        backbone=given.backbone,
        epochs=given.epochs,
        batch_size=given.batch_size,
        precision=given.precision,
        validation_fraction=0.1,
    )
    grid = [GRID, WIDE]
    how: dict[str, Any] = {"cv": given.folds, "scoring": list(SCORES), "refit": SCORES[0]}
    weft.Classifier(**{**model.get_params(), "epochs": 1}).fit(texts[:60], labels[:60])
    seconds = _loading(given)
    began = time.perf_counter()
    ours = weft.search(model, grid, texts, labels, **how)
    middle = time.perf_counter()
    theirs = GridSearchCV(model, grid, **how).fit(texts, labels)
    end = time.perf_counter()
    fits = len(ours.cv_results_["params"]) * given.folds + 1
    return {
        "precision": given.precision,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "fits": fits,
        **compared(ours.cv_results_, theirs.cv_results_),
        "refitted_alike": bool(
            np.array_equal(ours.predict_proba(texts[:50]), theirs.predict_proba(texts[:50]))
        ),
        "search_seconds": round(middle - began, 1),
        "grid_search_seconds": round(end - middle, 1),
        "ratio": round((end - middle) / (middle - began), 2),
        "load_seconds": round(seconds, 2),
        "ratio_without_loading": round(
            (end - middle - (2 * fits - 1) * seconds) / (middle - began - 2 * seconds), 2
        ),
    }


def compared(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Choices and differences of two tables of results."""
    differences = {
        score: max(
            float(np.abs(ours[name] - theirs[name]).max())
            for name in theirs
            if name.startswith("split") and name.endswith(f"_test_{score}")
        )
        for score in SCORES
    }
    best = {score: int(theirs[f"rank_test_{score}"].argmin()) for score in SCORES}
    chosen = {score: int(ours[f"rank_test_{score}"].argmin()) for score in SCORES}
    spread = {score: float(np.ptp(theirs[f"mean_test_{score}"])) for score in SCORES}
    return {
        "candidates": len(theirs["params"]),
        "same_choice": {score: best[score] == chosen[score] for score in SCORES},
        "same_order": bool(
            (ours[f"rank_test_{SCORES[0]}"] == theirs[f"rank_test_{SCORES[0]}"]).all()
        ),
        "chosen": theirs["params"][best[SCORES[0]]],
        "largest_difference": differences,
        "spread_of_candidates": spread,
    }


def _loading(given: Any) -> float:
    """Seconds to load the encoder into a bank, the median of three."""
    settings = BackboneSettings(name=given.backbone, precision=given.precision)
    taken: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        Bank(encoder.load(find(settings), settings, 2), "head", 1, trains=False)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[1]


def _examples(given: Any) -> tuple[list[str], list[str], dict[str, str]]:
    over: dict[str, Any] = {"sizes": [given.size]}
    if given.data:
        over["data"] = {"folder": given.data}
    config = resolve("sst2" if given.data else "demo", over)
    data = load(config.data)
    part = split(data, config.data, config.sizes).train(given.size, seed=0)
    return list(part.texts), [data.label_names[k] for k in part.labels.tolist()], data.hashes


def _settings(given: Any) -> dict[str, Any]:
    names = ("size", "folds", "epochs", "batch_size", "backbone")
    return {name: getattr(given, name) for name in names} | {
        "data": "SST-2" if given.data else "demo",
        "grid": [GRID, WIDE],
    }


def _kept(path: Path, settings: dict[str, Any], hashes: dict[str, str]) -> dict[str, Any]:
    """The file as it is, where it has the same settings, machine and data; else an empty one."""
    new = {
        "schema": 1,
        "machine": describe(),
        "versions": versions(),
        "data": hashes,
        "settings": json.loads(json.dumps(settings)),
        "rows": [],
    }
    if not path.is_file():
        return new
    before = json.loads(path.read_text(encoding="utf-8"))
    same = all(before[key] == new[key] for key in new if key != "rows")
    return before if same else new


def page(result: dict[str, Any]) -> str:
    """The same as Markdown."""
    settings, machine = result["settings"], result["machine"]
    first = result["rows"][0]
    lines = [
        "# A grid in one bank, and fit by fit",
        "",
        (
            f"{first['candidates']} candidates (learning rate, rank, alpha, dropout, targets) on "
            f"{settings['folds']} folds of {settings['size']:,} examples of {settings['data']}, "
            f"{settings['backbone']}, {settings['epochs']} epochs in batches of "
            f"{settings['batch_size']}; {first['fits']} fits with the last, of the best on all. "
            "Differences are the largest of any fold and candidate; the spread is that of the "
            "candidates' means, to read them by. GridSearchCV loads the encoder twice a fit; the "
            "last column leaves loading out on both sides."
        ),
        "",
        (
            "| precision | same choice by log loss, by accuracy | same order | "
            "log loss: difference (spread) | accuracy: difference (spread) | weft.search | "
            "GridSearchCV | ratio | ratio without loading |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        difference, spread = row["largest_difference"], row["spread_of_candidates"]
        cells = [
            row["precision"],
            ", ".join("yes" if row["same_choice"][score] else "no" for score in SCORES),
            "yes" if row["same_order"] else "no",
            *(f"{difference[score]:.2g} ({spread[score]:.2g})" for score in SCORES),
            f"{row['search_seconds']:.0f} s",
            f"{row['grid_search_seconds']:.0f} s",
            f"{row['ratio']:.1f}",
            f"{row['ratio_without_loading']:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        f"{machine['cpu']}, {machine['threads']} thread(s); {first['date'][:10]}.",
        "",
        *(f"    {row['command']}" for row in result["rows"]),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
