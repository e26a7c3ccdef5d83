"""Typing commands in tests: in this process where that will do, in a new one where it must be."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

from weft.study.choice import LEDGER
from weft.study.ledger import Ledger
from weft.study.record import Outcome

SRC = Path(__file__).parents[2] / "src"
NEW_PROCESS = (sys.executable, "-c", "from weft.cli import main; main()")
_LINE = "--backbone tiny --sizes 16,32 --seeds 2 --epochs 2 --batch-size 8 --precision float32"
SMALL = _LINE.split()
"""The study that most tests start from: 12 runs in about a second."""

_FILLING = "the a film plot actor was is it and story scene ending music long short quite"
_GOOD, _BAD = ("good", "loved", "bright"), ("bad", "hated", "dull")


@dataclass(frozen=True)
class Said:
    """What a command did, as its user sees it."""

    code: int
    out: str
    err: str


def weft(*words: str | Path, stdin: str = "") -> Said:
    """Types `weft WORDS` without a new process."""
    from weft.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = ["weft", *map(str, words)]
    lines = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    with mock.patch.object(sys, "argv", argv), mock.patch.object(sys, "stdin", lines):
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return Said(code, out.getvalue(), err.getvalue())


def process(*command: str, cwd: Path, **environment: str) -> Said:
    """Runs a command in a process of its own that finds weft, one thread and no colours."""
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH")]))
    plain = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", **environment}
    env = {key: value for key, value in os.environ.items() if key != "FORCE_COLOR"} | plain
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


def reviews(count: int = 120, noise: float = 0.12, seed: int = 0) -> list[tuple[str, str]]:
    """Rows (text, label): one telling word among filling ones; `noise` of the labels are wrong."""
    random = np.random.default_rng(seed)
    rows: list[tuple[str, str]] = []
    for number in range(count):
        good = number % 2 == 1
        words = [
            str(word) for word in random.choice(_FILLING.split(), size=int(random.integers(3, 9)))
        ]
        told = (_GOOD if good else _BAD)[int(random.integers(3))]
        words.insert(int(random.integers(len(words) + 1)), told)
        rows.append((" ".join(words), "neg" if good == (random.random() < noise) else "pos"))
    return rows


def write_csv(path: Path, rows: list[tuple[str, ...]], header: str = "text,label") -> Path:
    """Writes rows whose cells hold neither commas nor quotation marks."""
    lines = [header, *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path from there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def outcomes(study: Path) -> dict[str, Outcome | None]:
    """The outcome of each run of a study; times in it tell one training from another."""
    with Ledger(study / LEDGER, readonly=True) as ledger:
        return {key.run_id: ledger.outcome(key.run_id) for key in ledger.keys()}  # noqa: SIM118
