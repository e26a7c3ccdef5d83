"""Cores, memory and speed of this machine, measured where that can be. No torch at import."""

from __future__ import annotations

import functools
import math
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from weft.randomness import seed_for

ROWS, WIDTH = 512, 768  # of the product that is timed: a strip of tokens, a base-size encoder


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and its container's quota rounded up."""
    if sys.platform == "linux":
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota, _ = container_limits()
    return allowed if math.isinf(quota) else max(1, min(allowed, math.ceil(quota)))


def container_limits(
    mount: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> tuple[float, float]:
    """Limits set by control groups (cores, bytes of memory); infinite where there is none.

    Both versions of control groups are read, and every group from the process's own up to the root.
    """
    cores = memory = math.inf
    for line in _lines(membership):
        _, controllers, group = line.split(":", 2)
        base = mount / controllers  # version 2 names no controllers and lies at the mount itself
        own = base / group.strip("/")
        for folder in (own, *(parent for parent in own.parents if parent.is_relative_to(base))):
            quota = " ".join(_lines(folder / "cpu.max")).split() or (
                _lines(folder / "cpu.cfs_quota_us") + _lines(folder / "cpu.cfs_period_us")
            )
            if len(quota) == 2 and quota[0].isdigit():
                cores = min(cores, int(quota[0]) / int(quota[1]))
            limit = _lines(folder / "memory.max") or _lines(folder / "memory.limit_in_bytes")
            if limit and limit[0].isdigit():
                memory = min(memory, int(limit[0]))
    return cores, memory


def memory_bytes() -> tuple[int, int]:
    """Memory that this process may use, and how much of it is free, in bytes."""
    import psutil

    memory = psutil.virtual_memory()
    _, limit = container_limits()
    return int(min(memory.total, limit)), int(min(memory.available, limit))


def cpu_name() -> str:
    """What the processor calls itself, as far as the system tells."""
    for line in _lines(Path("/proc/cpuinfo")):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    if sys.platform == "darwin":
        ask = ["sysctl", "-n", "machdep.cpu.brand_string"]
        asked = subprocess.run(ask, capture_output=True, text=True, check=False)
        if asked.stdout.strip():
            return asked.stdout.strip()
    return platform.processor() or platform.machine()


@functools.cache
def product_seconds() -> tuple[float, float]:
    """Seconds of the fastest 512 x 768 x 768 product in float32 and in bfloat16 on this CPU.

    The second is infinite where bfloat16 is wrong or far too slow. Timed once per process.
    """
    import torch
    from torch.nn.functional import linear

    generator = torch.Generator().manual_seed(seed_for("machine"))
    x = torch.randn(ROWS, WIDTH, generator=generator).bfloat16()  # [T, H]
    w = torch.randn(WIDTH, WIDTH, generator=generator).bfloat16()  # [H, H]
    pairs = [(x.float(), w.float()), (x, w)]  # float32, bf16

    def race(rows: int, seconds: float, formats: int = 2) -> list[float]:
        """The best time of each format; they take turns, so that a busy neighbour slows both."""
        best = [math.inf] * formats
        end = time.perf_counter() + seconds
        while math.inf in best or time.perf_counter() < end:
            for place, (x, w) in enumerate(pairs[:formats]):
                begin = time.perf_counter()
                linear(x[:rows], w)
                best[place] = min(best[place], time.perf_counter() - begin)
        return best

    with torch.inference_mode():
        # A few rows first: where bf16 is emulated, the whole product can take a second.
        few = ROWS // 32
        expected, product = (linear(x[:few], w).float() for x, w in pairs)
        # Rounding a result to bf16 errs by 2^-9 of it; sums kept in bf16 are far beyond 2^-7.
        # Written so that a NaN is wrong.
        right = bool((product - expected).abs().max() <= 2**-7 * expected.abs().max())
        float32, bf16 = race(few, seconds=0.02)
        if not right or bf16 > 4 * float32:
            return race(ROWS, seconds=0.05, formats=1)[0], math.inf
        float32, bf16 = race(ROWS, seconds=0.08)
    return float32, bf16


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
