"""Row k: the whole published study on MiniLM, three sizes with three seeds each.

Ours is the wall time of the `weft study` process, from its start to its end: start-up, reading,
tokenising, validations, checkpoints, tests, tables and figures included. The peer's is the time
inside `Trainer.train()` alone, which validates and saves after each epoch: loading, tokenising and
testing are given to it. Nothing stops early on either side.
"""

from __future__ import annotations

import subprocess
import sys
import time

from measure import ours, peers
from measure.bench import Bench
from measure.pace import SEEDS
from measure.pairing import Measured

WEFT = (sys.executable, "-c", "from weft.cli import main; main()")


def measure(bench: Bench) -> Measured:
    """Seconds of both sides, once."""
    sizes, epochs = bench.study_sizes, bench.pace.epochs
    command = ours.study_command(bench.data, sizes, epochs, bench.scratch / "study")
    begin = time.perf_counter()
    subprocess.run([*WEFT, *command], check=True, stdout=subprocess.DEVNULL)
    weft = time.perf_counter() - begin
    print(f"  weft: {weft:,.0f} s", file=sys.stderr)

    trained = peers.study(bench, bench.folder("minilm"), sizes)
    peer = SEEDS * sum(trained.values())
    each = "; ".join(f"{size:,}: {trained[size]:,.0f} s" for size in sizes)
    runs, total = len(bench.peer_sizes), SEEDS * len(sizes)
    note = (
        f"{runs} of the peer's {total} runs were trained, one seed a size, and count {SEEDS} times"
        f" ({each}{peers.told(bench, sizes)}); sizes {', '.join(f'{s:,}' for s in sizes)};"
        " one repeat"
    )
    return Measured({"weft": [weft], "trainer": [peer]}, {"trainer": note})
