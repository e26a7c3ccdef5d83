"""A process for one side alone; it imports what that side needs and nothing of the other's.

Asked by `processes.py` with one JSON argument; answers with one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main(request: dict[str, Any]) -> None:
    """Does what was asked and prints the answer."""
    if request["side"] == "start":
        start(request)
        raise RuntimeError("the study ended without a step")
    answer = train(request)
    print(json.dumps({**answer, "peak": peak()}))


def train(request: dict[str, Any]) -> dict[str, float]:
    """Trains the given examples once; the bytes of its own that ours has beside the encoder."""
    import numpy as np

    from measure.pace import Pace
    from weft.data.examples import Examples

    pace = Pace(**request["pace"])
    texts, labels = json.loads(Path(request["texts"]).read_text(encoding="utf-8"))
    examples = Examples(tuple(texts), None, np.array(labels, dtype=np.int64))
    if request["side"] == "peer":
        from measure import peers

        peers.Training(Path(request["backbone"]), "dynamic", pace).rate(examples, 0)
        return {}
    from measure import ours

    side = ours.Training(request["backbone"], "bf16", request["runs"], pace)
    side.rate(examples, 0)
    return {"own": side.adapter_bytes}


def start(request: dict[str, Any]) -> None:
    """Begins a study as `weft study` does and ends the process with the first step."""
    from measure import begin

    def first_step() -> None:
        print(json.dumps({"seconds": time.time() - request["began"]}), flush=True)
        os._exit(0)  # what follows is no part of a start

    folders = Path(request["data"]), Path(request["out"])
    begin.begin_study(*folders, request["backbone"], request["sizes"], first_step)


def peak() -> int:
    """The most memory this process has held, in bytes.

    Linux tells it of the program itself; `ru_maxrss` would hold what the parent had when it began
    this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
