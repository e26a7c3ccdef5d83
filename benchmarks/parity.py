"""Parity in scores: does weft train as well as transformers' Trainer with PEFT?

Both sides train the same recipe with the same seeds on the same training sets, select on the same
validation examples and are tested on the same 872 sentences of SST-2. The differences in test
accuracy are paired by seed. A size is at parity when the 95 % t interval of their mean lies
inside +-1.5 points; a difference that is merely not significant would not show that.

    python benchmarks/parity.py --data SST2 --sizes 1000:5 8000:3 --study STUDY --out OUT.json

With --peer-only the peer is trained and nothing compared. Every peer run is kept as it ends, in a
JSON Lines file beside --out, and is not trained again.
Exit codes: 0 parity at every size, 1 not shown at some size, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from peer import LORA, RECIPE, Row, line, runs, versions
from weft.config import DataSettings
from weft.data.sources import load
from weft.data.splits import split
from weft.errors import StudyError, WeftError
from weft.study.presets import SST2

MARGIN = 0.015  # of accuracy
CONFIDENCE = 0.95
PAIR_COLUMNS = (
    *("size", "seed", "weft test", "peer test", "difference"),
    *("weft validation", "peer validation", "weft epochs", "peer epochs", "weft s", "peer s"),
)


def main() -> int:
    """Run the command line and return its exit code."""
    arguments = _parse()
    sizes: dict[int, int] = dict(arguments.sizes)
    try:
        preset = DataSettings.model_validate(SST2["data"])
        settings = preset.model_copy(update={"folder": str(arguments.data)})
        data = load(settings)
        splits = split(data, settings, sorted(sizes))
        # A study that was trained otherwise is refused before the peer spends its hours.
        weft = None if arguments.peer_only else read_study(arguments.study, data.hashes, sizes)
        peer = runs(splits, sizes, arguments.precision, _cache(arguments.out))
    except WeftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where this one stopped", file=sys.stderr)
        return 130
    if weft is None:
        print("\n".join(line(row) for row in peer))
        return 0
    result = {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "machine": weft.pop("machine"),
        "versions": {"python": platform.python_version(), **versions()},
        "data": data.hashes,
        "margin": MARGIN,
        "confidence": CONFIDENCE,
        "recipe": {**RECIPE, "lora": LORA},
        "peer": {"precision": arguments.precision, "pooling": "cls, pretrained pooler"},
        **compare(weft.pop("rows"), peer),
        "weft": weft,
    }
    _write(arguments.out, json.dumps(result, indent=1) + "\n")
    _write(arguments.out.with_suffix(".md"), page := markdown(result))
    print(page)
    return 0 if all(size["verdict"] == "inside" for size in result["sizes"]) else 1


# --- weft's side ------------------------------------------------------------------------------


def read_study(folder: Path, hashes: dict[str, str], sizes: dict[int, int]) -> Row:
    """Weft's side from a finished study's folder.

    Args:
        folder: the study's; its `results.csv` and `results.json` are read.
        hashes: of the data that the peer trains on.
        sizes: seeds by size that the study must have.

    Returns:
        `rows`: LoRA runs by (size, seed); what the study says of its precision, pooling, versions
        and machine.

    Raises:
        StudyError: the folder is no finished study, lacks runs, or trained something else.
    """
    try:
        facts: Row = json.loads((folder / "results.json").read_text(encoding="utf-8"))["facts"]
        with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
            entries = [entry for entry in csv.DictReader(file) if entry["method"] == "lora"]
    except (OSError, KeyError, ValueError) as error:
        raise StudyError(
            f"{folder} is not the folder of a finished study",
            found=f"{type(error).__name__}: {error}",
            remedy="run `weft study sst2 --backbone minilm --data SST2` to the end, and name its "
            "folder",
        ) from error
    if faults := _departures(facts, hashes):
        raise StudyError(
            f"the study in {folder} and the peer do not train the same thing",
            found="; ".join(faults),
            remedy="name a study of sst2 with --backbone minilm and the preset's own recipe, made "
            "from the folder given as --data",
        )
    rows: dict[tuple[int, int], Row] = {
        (int(entry["size"]), int(entry["seed"])): {
            "test_accuracy": float(entry["test_accuracy"]),
            "validation_accuracy": float(entry["validation_accuracy"]),
            "epochs": int(float(entry["epochs"])),
            "seconds": float(entry["seconds"]),
        }
        for entry in entries
        if entry["test_accuracy"]
    }
    wanted = [(size, seed) for size, seeds in sizes.items() for seed in range(seeds)]
    if missing := [key for key in wanted if key not in rows]:
        raise StudyError(
            f"the study in {folder} lacks {len(missing)} of the {len(wanted)} runs to compare",
            found="no result for "
            + ", ".join(f"size {size} seed {seed}" for size, seed in missing),
            remedy="give the study the command it was begun with: it resumes; or ask for fewer "
            "with --sizes",
        )
    return {
        "rows": rows,
        "precision": facts["backbone"].get("precision"),
        "pooling": facts["backbone"].get("pooling"),
        "versions": facts.get("versions"),
        "command": facts.get("command"),
        "machine": facts.get("machine"),
    }


def _departures(facts: Row, hashes: dict[str, str]) -> list[str]:
    """In what the study differs from the peer, by its frozen config and the hashes of its data."""
    config: Row = facts["config"]
    asked = {**RECIPE, **LORA, "source": "sst2", "name": "minilm"}
    asked |= {name: SST2["data"][name] for name in ("validation_size", "balance")}
    asked["pooling"] = "cls"  # the peer's head reads the first token
    found = {**config["recipe"], **config["lora"], **config["data"]}
    found |= {name: config["backbone"][name] for name in ("name", "pooling")}
    found["target_modules"] = sorted(found["target_modules"] or LORA["target_modules"])
    faults = [
        f"{name} is {found[name]}, the peer has {value}"
        for name, value in asked.items()
        if found[name] != value
    ]
    if facts["data"]["hashes"] != hashes:
        faults.append("the data are other ones")
    return faults


# --- the comparison ---------------------------------------------------------------------------


def compare(weft: dict[tuple[int, int], Row], peer: list[Row]) -> dict[str, list[Row]]:
    """Pair both sides by (size, seed) and judge each size.

    Args:
        weft: rows by (size, seed), with `test_accuracy` as a share of 1; has all of `peer`'s.
        peer: rows of `peer.runs`.

    Returns:
        `sizes`, a row per size, and `pairs`, a row per run; differences are weft minus peer.
    """
    pairs: list[Row] = []
    for theirs in peer:
        ours = weft[theirs["size"], theirs["seed"]]
        difference = ours["test_accuracy"] - theirs["test_accuracy"]
        pair = {"size": theirs["size"], "seed": theirs["seed"], "difference": difference}
        pairs.append({**pair, "weft": ours, "peer": theirs})
    sizes: list[Row] = []
    for size in dict.fromkeys(pair["size"] for pair in pairs):
        here = [pair for pair in pairs if pair["size"] == size]
        differences = np.array([pair["difference"] for pair in here])  # (seeds,)
        interval = t_interval(differences)
        sizes.append(
            {
                "size": size,
                "seeds": len(here),
                "weft": float(np.mean([pair["weft"]["test_accuracy"] for pair in here])),
                "peer": float(np.mean([pair["peer"]["test_accuracy"] for pair in here])),
                "difference": float(differences.mean()),
                "interval": interval,
                "verdict": verdict(interval),
            }
        )
    return {"sizes": sizes, "pairs": pairs}


def t_interval(differences: NDArray[np.float64]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean of paired differences; None for fewer than two."""
    count = len(differences)
    if count < 2:
        return None
    error = differences.std(ddof=1) / np.sqrt(count)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * error)
    mean = float(differences.mean())
    return mean - half, mean + half


def verdict(interval: tuple[float, float] | None) -> str:
    """`inside` the margin, wholly `outside` it, or `undecided`: more seeds would tell."""
    if interval is None:
        return "undecided"
    low, high = interval
    if low >= -MARGIN and high <= MARGIN:
        return "inside"
    return "outside" if low > MARGIN or high < -MARGIN else "undecided"


def markdown(result: Row) -> str:
    """The result as a page: the verdict by size, what was compared, and every pair."""
    peer, weft = result["peer"], result["weft"]
    lines = [
        "# Parity in scores: weft and transformers Trainer + PEFT",
        "",
        "SST-2, MiniLM; the same recipe, training sets, validation examples and seeds. Accuracy on",
        "the 872 test sentences in %; differences (weft minus peer) in points, paired by seed.",
        "",
        "| size | seeds | weft | peer | difference | 95 % t interval | inside ±1.5 |",
        "|---:|---:|---:|---:|---:|---:|:---|",
    ]
    for size in result["sizes"]:
        low, high = size["interval"] or (None, None)
        between = "none" if low is None else f"{100 * low:+.2f} to {100 * high:+.2f}"
        lines.append(
            f"| {size['size']:,} | {size['seeds']} | {100 * size['weft']:.2f} "
            f"| {100 * size['peer']:.2f} | {100 * size['difference']:+.2f} | {between} "
            f"| {'yes' if size['verdict'] == 'inside' else 'no: ' + size['verdict']} |"
        )
    lines += [
        "",
        f"Weft: {weft['precision']}, pooling {weft['pooling']}.",
        f"Peer: {peer['precision']}, pooling {peer['pooling']}.",
        "The peer's seconds are of one run alone, weft's of a run among others in a bank: they do",
        "not compare speed.",
        "",
        "| " + " | ".join(PAIR_COLUMNS) + " |",
        "|" + "---:|" * len(PAIR_COLUMNS),
    ]
    for pair in result["pairs"]:
        both = (pair["weft"], pair["peer"])
        cells = [f"{pair['size']:,}", str(pair["seed"])]
        cells += [f"{100 * side['test_accuracy']:.2f}" for side in both]
        cells += [f"{100 * pair['difference']:+.2f}"]
        cells += [f"{100 * side['validation_accuracy']:.1f}" for side in both]
        cells += [str(side["epochs"]) for side in both]
        cells += [f"{side['seconds']:.0f}" for side in both]
        lines.append("| " + " | ".join(cells) + " |")
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return "\n".join([*lines, "", f"`{result['command']}`, {result['date']}; {versions}.", ""])


# --- command line and files ---------------------------------------------------------------------


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of GLUE's SST-2 TSVs")
    parser.add_argument(
        "--sizes", type=_size, nargs="+", default=[(1000, 5), (8000, 3)], metavar="SIZE:SEEDS"
    )
    parser.add_argument("--study", type=Path, help="folder of a finished weft study of these data")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/parity.json"))
    parser.add_argument("--precision", choices=("bf16", "float32"), default="bf16", help="peer's")
    parser.add_argument("--peer-only", action="store_true", help="train the peer and stop")
    arguments = parser.parse_args()
    if not arguments.study and not arguments.peer_only:
        parser.error("name weft's side with --study, or ask for --peer-only")
    return arguments


def _size(text: str) -> tuple[int, int]:
    size, colon, seeds = text.partition(":")
    if not (colon and size.isdecimal() and seeds.isdecimal() and int(size) and int(seeds)):
        raise argparse.ArgumentTypeError(f"{text!r} is not SIZE:SEEDS, such as 1000:5")
    return int(size), int(seeds)


def _cache(out: Path) -> Path:
    return out.with_name(f"{out.stem}_peer.jsonl")


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
