"""`results/serving.md`, from what `serving.py` measured."""

from __future__ import annotations

from statistics import median
from typing import Any

AT_LEAST = 4.0  # times the peer's rate
LOST = 0.15  # of the throughput, from 1 adapter to 16


def page(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    machine, parts = result["machine"], result["parts"]
    lines = ["# weft serve under load", ""]
    lines.append(
        "MiniLM, adapters trained briefly on SST-2; wrk over loopback, one sentence of SST-2's "
        "development set a request, adapters in turn; server and wrk share the cores. What is "
        "measured and how stands at the head of `benchmarks/serving.py`."
    )
    for name, tell in (
        ("levels", _levels), ("peer", _peer), ("adapters", _adapters), ("endure", _endure),
    ):  # fmt: skip
        if name in parts:
            part = parts[name]
            lines += ["", *tell(part), "", f"{part['date'][:10]}: `{part['command']}`"]
    lines += [
        "",
        f"{machine['cpu']}, {machine['cores']} cores, torch on {machine['threads']} thread(s); "
        + ", ".join(f"{name} {value}" for name, value in result["versions"].items())
        + ".",
        "",
    ]
    return "\n".join(lines)


def _levels(part: dict[str, Any]) -> list[str]:
    lines = [
        "## 8 adapters",
        "",
        "| connections | requests/s | p50 | p99 | errors |",
        "|---:|---:|---:|---:|---:|",
    ]
    for connections, told in part["levels"].items():
        lines.append(
            f"| {connections} | {told['rate']:,.0f} | {told['p50']:.1f} ms | {told['p99']:.1f} ms "
            f"| {told['errors']} |"
        )
    server = part["server"]
    return [
        *lines,
        "",
        (
            f"{server['texts_a_step']:g} texts a step on average, "
            f"{server['compute_ms_a_text']:.2f} ms of computing a text; "
            f"the server holds {part['memory_mib']:,} MiB."
        ),
    ]


def _peer(part: dict[str, Any]) -> list[str]:
    lines = [
        "## Beside FastAPI around `transformers.pipeline`, 64 connections",
        "",
        "| server | requests/s, median | turns | p50 | p99 | weft is faster |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for name, rates in part["rates"].items():
        told, ratio = part["last"][name], part["ratios"].get(name)
        lines.append(
            f"| {name} | {median(rates):,.0f} | {', '.join(f'{rate:,.0f}' for rate in rates)} | "
            f"{told['p50']:.1f} ms | {told['p99']:.1f} ms | "
            + ("|" if ratio is None else f"{ratio:.1f} times |")
        )
    ratio = part["ratios"][part["best"]]
    return [
        *lines,
        "",
        (
            f"Against the best of the peers with the model as it comes ({part['best']}): "
            f"{ratio:.1f} times; target at least {AT_LEAST:g}: "
            f"**{'met' if ratio >= AT_LEAST else 'missed'}**."
        ),
    ]


def _adapters(part: dict[str, Any]) -> list[str]:
    rates = {name: median(found) for name, found in part["rates"].items()}
    one, many = rates.values()
    return [
        "## From 1 adapter to 16, 64 connections",
        "",
        (
            f"{one:,.0f} and {many:,.0f} requests/s, medians of {len(part['rates']['1'])} turns; "
            f"lost: {100 * part['lost']:.1f} %; target under {100 * LOST:.0f} %: "
            f"**{'met' if part['lost'] < LOST else 'missed'}**."
        ),
    ]


def _endure(part: dict[str, Any]) -> list[str]:
    memory = part["memory_mib"]
    failed = part["errors"] + part["errors_in_log"]
    return [
        "## In a row",
        "",
        (
            f"{part['requests']:,} requests of short texts by 64 connections in "
            f"{part['seconds']:,.0f} s: {failed or 'no'} errors; "
            f"memory {memory['after a tenth']:,.0f} MiB after a tenth, "
            f"{memory['at the end']:,.0f} MiB at the end: "
            f"**{'it grew' if part['grew'] else 'no growth'}**."
        ),
    ]
