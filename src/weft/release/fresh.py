"""An export reloaded in a process of its own, by the libraries that its user would have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.errors import TrainingError
from weft.release.usage import LIBRARIES, WITHOUT, Target, measuring

_BEFORE = """\
import json, sys
asked = json.load(open(sys.argv[1], encoding="utf-8"))
for name in asked["without"]:
    sys.modules[name] = None  # importing it fails, as where it is not installed
texts, pairs, labels = asked["texts"], asked["pairs"], asked["labels"]
"""
_AFTER = """
from importlib.metadata import version
said = {"logits": found, "versions": {name: version(name) for name in asked["libraries"]}}
json.dump(said, open(sys.argv[2], "w", encoding="utf-8"))
"""


@dataclass(frozen=True)
class Answered:
    """What another process made of the texts."""

    logits: NDArray[np.float64]  # (B, C)
    versions: dict[str, str]
    """Of the libraries that it used."""


def answer(
    target: Target,
    code: str,
    labels: Sequence[str],
    texts: Sequence[str],
    pairs: Sequence[str] | None,
) -> Answered:
    """Runs an export's own usage on texts, where weft cannot be imported.

    Args:
        code: what `usage` gave, with paths of this machine.

    Raises:
        TrainingError: the process failed; says what it said.
    """
    with tempfile.TemporaryDirectory(prefix="weft-") as place:
        asked, said = Path(place) / "asked.json", Path(place) / "said.json"
        question = {
            "texts": list(texts),
            "pairs": None if pairs is None else list(pairs),
            "labels": list(labels),
            "libraries": LIBRARIES[target],
            "without": WITHOUT[target],
        }
        asked.write_text(json.dumps(question), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-P", "-c", _BEFORE + code + measuring(target) + _AFTER, asked, said],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "HF_HUB_OFFLINE": "1",
                "HF_MODULES_CACHE": place,
                "TOKENIZERS_PARALLELISM": "false",
            },
        )
        if done.returncode != 0:
            raise TrainingError(
                f"the export cannot be loaded by {LIBRARIES[target][0]}",
                found=(done.stderr.strip().splitlines() or ["it said nothing"])[-1],
                remedy="`weft doctor` tells the versions installed; nothing is certified",
            )
        answered = json.loads(said.read_text(encoding="utf-8"))
    return Answered(np.asarray(answered["logits"], dtype=np.float64), answered["versions"])
