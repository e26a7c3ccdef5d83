"""Are wrong labels found? SST-2 with some flipped on purpose, ranked by `weft check --labels`.

    python benchmarks/label_errors.py --data ../shared/data/sst2
    python benchmarks/label_errors.py --data ../shared/data/sst2 --methods probe

Of a sample of train, 2 % of the labels are flipped, and as large a share of the validation labels,
since who looks for errors has them there too. Prints and writes, for each method, which share of
the first k of the ranking was flipped (precision) and which share of the flipped is among them
(recall), k being 25 to 200 % of the number flipped; the average precision; and precision and recall
of what is flagged.
Examples that were wrong before count as false finds, so precision is understated.
Rows already in the file stay where the settings are the same. Exit code 0.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from weft.config import StudyConfig
from weft.data.examples import Examples, LabelledText
from weft.data.sources import load
from weft.data.splits import Splits, split
from weft.machine import describe, versions
from weft.randomness import generator_for
from weft.study.label_errors import FOLDS, SIZE, fold_probabilities, ranked
from weft.study.presets import resolve

SHARES = (0.25, 0.5, 1.0, 2.0)  # of the number flipped: where the curve is read
ORIGINAL_SHOWN = 5  # examples of the first finds that nobody flipped


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of GLUE's SST-2")
    parser.add_argument("--methods", default="probe,lora")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--flip", type=float, default=0.02, help="share of labels flipped")
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--seeds", type=int, default=1, help="draws of what is flipped")
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/label_errors.json"))
    arguments = parser.parse_args()
    over = {"data": {"folder": arguments.data}, "backbone": {"name": arguments.backbone}}
    config = resolve("sst2", {**over, "sizes": [arguments.size]})
    # the encoder's own card says how it is read; the preset's pooling is its own encoder's
    backbone = config.backbone.model_copy(update={"pooling": "auto"})
    config = config.model_copy(update={"backbone": backbone})
    data = load(config.data)
    splits = split(data, config.data, config.sizes)
    rows = _kept(arguments.out, _settings(arguments))
    for seed in range(arguments.seeds):
        for method in arguments.methods.split(","):
            rows = [row for row in rows if (row["method"], row["seed"]) != (method, seed)]
            rows.append(measured(config, data, splits, method, seed, arguments))
            rows.sort(key=lambda row: (row["method"], row["seed"]))
            _write(arguments, data, rows)
            print(_line(_row(rows, method, seed)), flush=True)
    return 0


def measured(
    config: StudyConfig, data: LabelledText, splits: Splits, method: Any, seed: int, given: Any
) -> dict[str, Any]:
    """One ranking and how it fares."""
    clean = splits.train(given.size, seed=0)
    sample, wrong = flipped(clean, given.flip, "train", seed)
    validation, _ = flipped(splits.validation, given.flip, "validation", seed)
    began = time.perf_counter()
    found = fold_probabilities(
        config, data, replace(splits, validation=validation), sample, method, given.folds
    )
    seconds = time.perf_counter() - began
    order, flagged = ranked(sample.labels, found)
    others = [place for place in order.tolist() if not wrong[place]][:ORIGINAL_SHOWN]
    return {
        "method": method,
        "seed": seed,
        "seconds": round(seconds, 1),
        "accuracy": float((found.argmax(1) == clean.labels).mean()),  # against the labels as read
        **judged(order, flagged, wrong),
        "first_not_flipped": [
            {"text": clean.texts[k], "label": data.label_names[int(clean.labels[k])]}
            for k in others
        ],
    }


def flipped(examples: Examples, share: float, part: str, seed: int) -> tuple[Examples, Any]:
    """The examples with a share of their two classes' labels flipped, and (B,) which."""
    count = round(share * len(examples))
    rng = generator_for("flip", part, seed)
    wrong = np.zeros(len(examples), bool)
    wrong[rng.choice(len(examples), size=count, replace=False)] = True
    return replace(examples, labels=np.where(wrong, 1 - examples.labels, examples.labels)), wrong


def judged(order: Any, flagged: Any, wrong: Any) -> dict[str, Any]:
    """Precision and recall along a ranking, and of what is flagged.

    Args:
        order: (B,) places, the likeliest error first.
        flagged, wrong: (B,) truth values.
    """
    total = int(wrong.sum())
    hits = np.cumsum(wrong[order])
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    curve = []
    for share in SHARES:
        k = min(round(share * total), len(order))
        right = int(hits[k - 1])
        curve.append({"k": k, "share": share, "precision": right / k, "recall": right / total})
    caught = int((flagged & wrong).sum())
    return {
        "flipped": total,
        "curve": curve,
        "average_precision": float(average_precision_score(wrong, -rank)),
        "flagged": int(flagged.sum()),
        "flagged_precision": caught / max(int(flagged.sum()), 1),
        "flagged_recall": caught / total,
    }


def _settings(given: Any) -> dict[str, Any]:
    return {name: getattr(given, name) for name in ("size", "flip", "folds", "backbone")}


def _kept(path: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    before = json.loads(path.read_text(encoding="utf-8"))
    return before["rows"] if before["settings"] == settings else []


def _row(rows: list[dict[str, Any]], method: str, seed: int) -> dict[str, Any]:
    return next(row for row in rows if (row["method"], row["seed"]) == (method, seed))


def _line(row: dict[str, Any]) -> str:
    curve = ", ".join(f"{point['k']}: {point['precision']:.1%}" for point in row["curve"])
    return (
        f"{row['method']}, seed {row['seed']}: {row['flipped']} flipped; precision at {curve}; "
        f"average precision {row['average_precision']:.3f}; flagged {row['flagged']} with "
        f"precision {row['flagged_precision']:.1%}, recall {row['flagged_recall']:.1%}; "
        f"{row['seconds']:.0f} s"
    )


def _write(given: Any, data: LabelledText, rows: list[dict[str, Any]]) -> None:
    result = {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "machine": describe(),
        "versions": versions(),
        "data": data.hashes,
        "settings": _settings(given),
        "rows": rows,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(page(result), encoding="utf-8")


def page(result: dict[str, Any]) -> str:
    """The same as Markdown."""
    settings = result["settings"]
    heads = [f"precision at {share:.0%}" for share in SHARES]
    lines = [
        "# Likely label errors",
        "",
        (
            f"{settings['size']:,} examples of SST-2's train on {settings['backbone']}, "
            f"{settings['flip']:.0%} of the labels flipped, {settings['folds']}-fold; k is that "
            "share of the number flipped. Chance is the share flipped. Labels that were wrong "
            "before count as false finds."
        ),
        "",
        "| method | draw | flipped | " + " | ".join(heads) + " | recall at 100% | recall at 200% "
        "| average precision | flagged: precision, recall | seconds |",
        "|" + "---|" * (9 + len(heads) - 1),
    ]
    for row in result["rows"]:
        curve = row["curve"]
        cells = [
            row["method"], str(row["seed"]), str(row["flipped"]),
            *(f"{point['precision']:.1%}" for point in curve),
            f"{curve[2]['recall']:.1%}", f"{curve[3]['recall']:.1%}",
            f"{row['average_precision']:.3f}",
            f"{row['flagged']}: {row['flagged_precision']:.1%}, {row['flagged_recall']:.1%}",
            f"{row['seconds']:.0f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"`{result['command']}`, {result['date'][:10]}, {result['machine']['cpu']}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
