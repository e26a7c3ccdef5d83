"""Rows a to h: one training step after another, ours, the peer's and the bare products' in turn."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch

from measure import ours, peers
from measure.bench import Bench
from measure.pace import BATCH, RUNS, part
from measure.pairing import Measured, Side, alternate
from measure.products import Products
from weft.data.examples import Examples

Maker = Callable[[Bench, str], Side]


def measure(bench: Bench, backbone: str, wanted: Collection[str]) -> Measured:
    """Examples per second of the wanted sides of one backbone."""
    peers.quiet()
    sides = {name: make(bench, backbone) for name, make in SIDES.items() if name in wanted}
    return Measured(alternate(sides, bench.repeats, "examples/s"))


def _ours(precision: str, slots: int) -> Maker:
    def make(bench: Bench, backbone: str) -> Side:
        side = ours.Training(bench.weft_name(backbone), precision, slots, bench.pace)
        return lambda repeat: side.rate(_part(bench, repeat), repeat)

    return make


def _peer(kind: peers.Kind) -> Maker:
    def make(bench: Bench, backbone: str) -> Side:
        side = peers.Training(bench.folder(backbone), kind, bench.pace)
        grouped = kind == "grouped"
        return lambda repeat: side.rate(bench.training if grouped else _part(bench, repeat), repeat)

    return make


def _bare(dtype: torch.dtype, runs: int) -> Maker:
    def make(bench: Bench, backbone: str) -> Side:
        side = Products(bench.folder(backbone), dtype, runs, bench.pace)
        return lambda repeat: side.rate(_part(bench, repeat), repeat)

    return make


def _part(bench: Bench, repeat: int) -> Examples:
    count = (bench.pace.warmup + bench.pace.steps) * BATCH
    return part(bench.training, count, repeat)


SIDES: dict[str, Maker] = {
    "weft": _ours("bf16", 1),
    "dynamic": _peer("dynamic"),
    "bare": _bare(torch.bfloat16, 1),
    "weft-bank": _ours("bf16", RUNS),
    "grouped": _peer("grouped"),
    "bare-bank": _bare(torch.bfloat16, RUNS),
    "notebook": _peer("notebook"),
    "weft-float32": _ours("float32", 1),
    "dynamic-float32": _peer("dynamic-float32"),
    "bare-float32": _bare(torch.float32, 1),
}
"""In the order in which they take turns."""
