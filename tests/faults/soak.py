"""A study of 200 small runs in a bank of 8, in a process of its own, and what it takes meanwhile.

    python soak.py PLACE FOLDER

prints a JSON line after every run: resident memory in bytes, open files, threads.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(place: Path, folder: Path) -> None:
    import psutil
    import torch

    from weft.study.notices import RunDone
    from weft.study.presets import resolve
    from weft.study.runner import run_study

    torch.set_num_threads(1)
    config = resolve(
        str(place / "reviews.csv"),
        {
            "backbone": {"name": str(place / "tiny"), "precision": "float32"},
            "sizes": [8, 16],
            "seeds": 100,
            "methods": ["lora"],
            "recipe": {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3},
            "bank": {"slots": 8},
        },
    )
    process = psutil.Process()

    def look(event: object) -> None:
        if isinstance(event, RunDone):
            files = sum(1 for _ in Path("/proc/self/fd").iterdir())
            seen = {"memory": process.memory_info().rss, "files": files}
            print(json.dumps(seen | {"threads": process.num_threads()}), flush=True)

    assert run_study(config, folder, look, "typed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
