"""Cores and speed: limits as containers set them, and bf16 believed only when right and fast."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from weft import hardware
from weft.machine import fast_bf16


@pytest.fixture(autouse=True)
def _fresh_timing() -> Iterator[None]:
    hardware.product_seconds.cache_clear()
    yield
    hardware.product_seconds.cache_clear()


# Control groups


def group(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        pytest.param("0::/", {}, (math.inf, math.inf), id="nothing there"),
        pytest.param(
            "0::/", {"cpu.max": "max 100000", "memory.max": "max"}, (math.inf, math.inf), id="free"
        ),
        pytest.param(
            "0::/", {"cpu.max": "150000 100000", "memory.max": "4096"}, (1.5, 4096), id="version 2"
        ),
        pytest.param(
            "0::/outer/inner",
            {
                "outer/inner/cpu.max": "400000 100000",
                "outer/cpu.max": "200000 100000",
                "outer/inner/memory.max": "1000",
                "outer/memory.max": "2000",
            },
            (2.0, 1000),
            id="the tightest group up to the root counts",
        ),
        pytest.param(
            "4:memory:/box\n3:cpu,cpuacct:/box",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "50000",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
                "memory/box/memory.limit_in_bytes": "8192",
            },
            (0.5, 8192),
            id="version 1",
        ),
        pytest.param(
            "3:cpu,cpuacct:/",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            (math.inf, math.inf),
            id="version 1, free",
        ),
    ],
)
def test_container_limits(
    tmp_path: Path, membership: str, files: dict[str, str], expected: tuple[float, float]
) -> None:
    (tmp_path / "membership").write_text(membership + "\n")
    group(tmp_path / "mount", files)
    assert hardware.container_limits(tmp_path / "mount", tmp_path / "membership") == expected


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (1.0, 1), (1.5, 2), (math.inf, 3)])
def test_cores_are_those_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float, cores: int
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(hardware, "container_limits", lambda: (quota, math.inf))
    assert hardware.usable_cores() == cores


# bfloat16


def linear(slow: torch.dtype, wrong: float = 0.0) -> Any:
    """A product that is slow in one format and, by a share of its largest value, wrong in bf16."""

    def product(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        if x.dtype == slow:
            time.sleep(0.002)
        if x.shape[0] == hardware.ROWS:
            return x  # its time is all that is asked for
        y = (x.float() @ w.float().T).to(x.dtype)
        return y + wrong * y.abs().max() if x.dtype == torch.bfloat16 else y

    return product


@pytest.mark.parametrize(
    ("slow", "wrong", "fast"),
    [
        (torch.float32, 0.0, True),
        (torch.bfloat16, 0.0, False),
        (torch.float32, 0.02, False),
        (torch.float32, math.nan, False),
        (torch.float32, math.inf, False),
    ],
    ids=["fast and right", "right and slow", "fast and wrong", "not a number", "not finite"],
)
def test_bf16_is_used_where_it_is_right_and_fast(
    monkeypatch: pytest.MonkeyPatch, slow: torch.dtype, wrong: float, fast: bool
) -> None:
    monkeypatch.setattr(torch.nn.functional, "linear", linear(slow, wrong))
    assert fast_bf16() is fast


def test_products_are_timed_once_and_soon() -> None:
    fast_bf16()
    hardware.product_seconds.cache_clear()
    begin = time.perf_counter()
    fast_bf16()
    once = time.perf_counter() - begin
    assert once < 2  # 0.2 s on a machine of one's own; a busy one is allowed more
    begin = time.perf_counter()
    fast_bf16()
    assert time.perf_counter() - begin < 0.01


def test_trying_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    fast_bf16()
    assert torch.equal(torch.get_rng_state(), before)
