"""Why is SST-2's validation score above its test score? Leak, and phrases against sentences.

    python benchmarks/leak.py --data ../shared/data/sst2
    python benchmarks/leak.py --data ../shared/data/sst2 --methods lora,probe

Two studies on the same validation examples: `random` trains on all else, `disjoint` drops the train
examples that contain, or lie in, a validation example. Both train on as many examples. Then

    gap = leak + phrases + change
    val(random) - test(random) = [val(random) - val(disjoint)] + [val(disjoint) - test(disjoint)]
                                 + [test(disjoint) - test(random)]

since test is whole sentences of other reviews and validation mostly phrases. Scores are accuracies
averaged over seeds. Intervals are 95 % percentile bootstraps over examples, paired where both sides
score the same ones; they do not cover other draws of training sets, whose seeds are listed.
Exit code 0.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import weft

SETTINGS = ("random", "disjoint")
DRAWS = 10_000


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of GLUE's SST-2")
    parser.add_argument("--methods", default="probe")
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--studies", type=Path, help="where the two studies lie; else nowhere kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/leak.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.studies or Path(scratch)
        results = {kind: _study(arguments, kind, place / kind) for kind in SETTINGS}
        right = {kind: _right(result, arguments) for kind, result in results.items()}
        facts = {kind: _facts(result) for kind, result in results.items()}
    rows = [parted(method, right) for method in arguments.methods.split(",")]
    result = {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "machine": facts["random"]["machine"],
        "versions": facts["random"]["versions"],
        "data": facts["random"]["data"]["hashes"],
        "notes": {kind: facts[kind]["data"]["notes"] for kind in SETTINGS},
        "backbone": arguments.backbone,
        "size": arguments.size,
        "seeds": arguments.seeds,
        "rows": rows,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = page(result)
    arguments.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


def _study(given: Any, kind: str, folder: Path) -> weft.Result:
    study = weft.Study(
        {"source": "sst2", "folder": given.data, "validation": kind},
        backbone={"name": given.backbone, "pooling": "auto"},
        sizes=[given.size],
        seeds=given.seeds,
        methods=given.methods.split(","),
        out=folder,
    )
    return study.run()


def _facts(result: weft.Result) -> dict[str, Any]:
    return json.loads((result.folder / "results.json").read_text(encoding="utf-8"))["facts"]


def _right(result: weft.Result, given: Any) -> dict[tuple[str, str], Any]:
    """(seeds, B) whether each prediction is right, by method and split."""
    found: dict[tuple[str, str], Any] = {}
    for method in given.methods.split(","):
        for part in ("validation", "test"):
            rows = []
            for seed in range(given.seeds):
                _, outcome = result.run_of(method, given.size, seed)
                path = result.folder / str(outcome.folder) / "predictions.parquet"
                table = pq.read_table(path).to_pandas()
                own = table[table["split"] == part].sort_values("index")
                rows.append((own["label"].astype(str) == own["predicted"].astype(str)).to_numpy())
            found[method, part] = np.array(rows)
    return found


def parted(method: str, right: dict[str, dict[tuple[str, str], Any]]) -> dict[str, Any]:
    """The gap of one method and its three parts, in accuracy.

    Args:
        right: by setting, then by method and split: (seeds, B) truth values.
    """
    score = {
        (kind, part): right[kind][method, part].mean(axis=0)  # (B,) share of seeds that are right
        for kind in SETTINGS
        for part in ("validation", "test")
    }
    rng = np.random.default_rng(0)
    sizes = {part: len(score["random", part]) for part in ("validation", "test")}
    means = {key: [] for key in score}
    for _ in range(DRAWS):
        drawn = {part: rng.integers(size, size=size) for part, size in sizes.items()}
        for (kind, part), values in score.items():
            means[kind, part].append(values[drawn[part]].mean())  # the same draw for both kinds
    boot = {key: np.array(values) for key, values in means.items()}

    def difference(first: tuple[str, str], second: tuple[str, str]) -> dict[str, Any]:
        low, high = np.quantile(boot[first] - boot[second], [0.025, 0.975]).tolist()
        value = float(score[first].mean() - score[second].mean())
        return {"value": value, "interval": [low, high]}

    return {
        "method": method,
        "scores": {f"{kind} {part}": float(v.mean()) for (kind, part), v in score.items()},
        "by_seed": {
            f"{kind} {part}": right[kind][method, part].mean(axis=1).tolist()
            for kind, part in score
        },
        "gap": difference(("random", "validation"), ("random", "test")),
        "leak": difference(("random", "validation"), ("disjoint", "validation")),
        "phrases": difference(("disjoint", "validation"), ("disjoint", "test")),
        "change": difference(("disjoint", "test"), ("random", "test")),
    }


def page(result: dict[str, Any]) -> str:
    """The same as Markdown."""
    lines = [
        "# Validation above test on SST-2: leak, and phrases against sentences",
        "",
        (
            f"{result['backbone']}, {result['size']:,} training examples, {result['seeds']} seeds; "
            "accuracy in per cent, differences in points with 95 % intervals over examples."
        ),
        "",
        (
            "| method | validation, random | validation, disjoint | test, random | test, disjoint "
            "| gap | of it leak | of it phrases | of it other training sets |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        names = ("random validation", "disjoint validation", "random test", "disjoint test")
        scores = [f"{100 * row['scores'][name]:.1f}" for name in names]
        parts = [_points(row[name]) for name in ("gap", "leak", "phrases", "change")]
        lines.append("| " + " | ".join([row["method"], *scores, *parts]) + " |")
    lines += ["", *(f"- {note}" for note in result["notes"]["disjoint"] if "Disjoint" in note)]
    lines += ["", f"`{result['command']}`, {result['date'][:10]}, {result['machine']['cpu']}.", ""]
    return "\n".join(lines)


def _points(found: dict[str, Any]) -> str:
    low, high = (f"{100 * bound:+.1f}" for bound in found["interval"])
    return f"{100 * found['value']:+.1f} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main())
