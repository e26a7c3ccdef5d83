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

    trained: dict[int, list[float]] = {size: [] for size in sizes}
    for size in sizes:
        for seed in range(bench.peer_seeds):
            examples = bench.splits.train(size, seed)
            seconds = peers.study_run(
                bench.folder("minilm"), examples, bench.splits.validation, seed, epochs
            )
            trained[size].append(seconds)
            print(f"  peer, {size:,} examples, seed {seed}: {seconds:,.0f} s", file=sys.stderr)
    peer = sum(SEEDS * sum(seconds) / len(seconds) for seconds in trained.values())
    each = "; ".join(
        f"{size:,}: {', '.join(f'{s:,.0f}' for s in seconds)} s"
        for size, seconds in trained.items()
    )
    runs, total = bench.peer_seeds * len(sizes), SEEDS * len(sizes)
    counted = f"{runs} of the peer's {total} runs were trained"
    if runs < total:
        times = f"{SEEDS / bench.peer_seeds:g}"
        counted += f", {bench.peer_seeds} of {SEEDS} seeds a size, and count {times} times"
    note = f"{counted} ({each}); sizes {', '.join(f'{s:,}' for s in sizes)}; one repeat"
    return Measured({"weft": [weft], "trainer": [peer]}, {"trainer": note})
