"""Back-test of the forecast: ladders whose continuation is known, against simpler forecasts.

    python benchmarks/backtest.py --data ../shared/data --cache CACHE --method probe
    python benchmarks/backtest.py --data ../shared/data --cache CACHE --develop

The first makes what ladders are missing, permutation by permutation, for at most --minutes, then
prints and writes the table for SST-2, TREC-6 and banking77; the same command goes on where time ran
out. Permutations are taken three at a time, the study's own number of seeds: a forecast is made
from three ladders and held against the mean of the same three at sizes that it was not shown.

The second prints what candidate rules would have scored on the development ladders, among which
none of the judged ones is: TF-IDF, naive Bayes and nearest class means on the three sets, the probe
on the demo's reviews and RTE. The families and the rule are chosen by it and frozen
(weft.evidence.rule.FROZEN).

Exit codes: 0 the forecast earns its print on every set, 1 it does not, 2 usage, 3 time ran out.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any

from measure.ladders import SETS, Ladders
from weft.evidence.backtest import WAYS, Case, Judged, Summary, earned, judge, lead, summarised
from weft.evidence.families import FAMILIES
from weft.evidence.forecast import REACH
from weft.evidence.rule import FROZEN, Rule
from weft.machine import describe, versions
from weft.randomness import generator_for

JUDGED = {"sst2": 102, "trec6": 48, "banking77": 48}
"""Permutations of each judged set: more where a fit is cheap beside what it tells."""
DEVELOPMENT = (
    *((name, method) for method in ("tfidf", "bayes", "means") for name in JUDGED),
    ("demo", "probe"),
    ("rte", "probe"),
)
TRIES = 24
"""Permutations of each development set."""
SEEDS = 3
_FIGURES = "| forecasts | mean absolute miss | bias | coverage of 90 % | width | interval score |"
_TRIED = (
    "| mean absolute miss | bias | coverage | without trec6 bayes | width | interval score "
    "| its geometric mean | sets earned |"
)
_RULED = "|---|---|---:|---:|---:|---:|---:|---:|"


def main() -> int:
    """Run the command line and return its exit code."""
    arguments = _parse()
    until = time.monotonic() + 60 * arguments.minutes
    wanted = DEVELOPMENT if arguments.develop else [(s, arguments.method) for s in arguments.sets]
    cases: list[Case] = []
    for name, method in wanted:
        ladders = Ladders(name, method, arguments.data, arguments.cache)
        number = arguments.permutations or (TRIES if arguments.develop else JUDGED.get(name, TRIES))
        if not ladders.make(number, until):
            print(f"time ran out at {name}, {method}: the same command goes on", file=sys.stderr)
            return 3
        label = f"{name} {method}" if arguments.develop else name
        cases += cases_of(ladders, label, number)
    if arguments.develop:
        print(developed(cases))
        return 0
    rows = judge(cases)
    summaries = summarised(rows)
    text = table(summaries, rows)
    print(text)
    result = {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]).replace(str(arguments.cache), "CACHE"),
        "machine": describe(),
        "versions": versions(),
        "method": arguments.method,
        "rule": asdict(FROZEN),
        "earned": earned(summaries),
        "summaries": [asdict(one) for one in summaries],
        "ladders": {
            case.data + " " + case.name: {"scores": case.scores, "truth": case.truth}
            for case in cases
        },
        "forecasts": [asdict(row) for row in rows],
    }
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        arguments.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    return 0 if all(earned(summaries).values()) else 1


def cases_of(ladders: Ladders, label: str, permutations: int) -> list[Case]:
    """Groups of three permutations each; what is left over is not used."""
    found: list[Case] = []
    for first in range(0, permutations - SEEDS + 1, SEEDS):
        group = [ladders.scores[first + i] for i in range(SEEDS)]
        scores, truth = (
            {size: [row[size] for row in group] for size in sizes}
            for sizes in (ladders.set.known, ladders.set.truth)
        )
        found.append(Case(label, f"{first} to {first + SEEDS - 1}", scores, truth))
    return found


def table(summaries: Sequence[Summary], rows: Sequence[Judged]) -> str:
    """Markdown: a line per set and way, then SST-2's and the others' by how far ahead they look."""
    lines = [
        f"| data | way {_FIGURES}",
        _RULED,
        *(_line(f"{one.data} | {one.way}", one) for one in summaries),
        "",
        "All figures but coverage are points of accuracy. By size:",
        "",
        f"| data, size | way {_FIGURES}",
        _RULED,
    ]
    for data, size, factor in dict.fromkeys((row.data, row.size, row.factor) for row in rows):
        own = [row for row in rows if (row.data, row.size) == (data, size)]
        lines += [
            _line(f"{data}, {size:,} ({factor:.2g}x) | {one.way}", one)
            for one in summarised(own)
            if one.data != "all"
        ]
    lines += [
        "",
        "The forecast's interval score less that of a baseline, points, with a 95 % interval from",
        "a bootstrap over ladders:",
        "",
        "| data | less that of | all sizes | up to 4x |",
        "|---|---|---:|---:|",
    ]
    near = [row for row in rows if row.factor <= REACH]
    for data in dict.fromkeys(row.data for row in rows):
        for way in WAYS[1:]:
            rng = generator_for("lead", data, way)
            shown = [_shown(lead(some, data, way, rng)) for some in (rows, near)]
            lines.append(f"| {data} | {way} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _shown(figures: tuple[float, float, float]) -> str:
    mean, low, high = (f"{100 * figure:.2f}" for figure in figures)
    return f"{mean} ({low} to {high})"


def _line(head: str, one: Summary) -> str:
    figures = (one.miss, one.bias, one.width, one.interval_score)
    miss, bias, width, score = (f"{100 * figure:.2f}" for figure in figures)
    return (
        f"| {head} | {one.forecasts} | {miss} | {bias} | {100 * one.coverage:.0f} % "
        f"| {width} | {score} |"
    )


def developed(cases: Sequence[Case]) -> str:
    """Candidate rules on the development ladders: means over the sets."""
    lines = [
        f"| rule {_TRIED}",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, rule in candidates():
        summaries = summarised(judge(cases, rule))
        verdict = earned(summaries)
        shown = next(one for one in summaries if (one.data, one.way) == ("all", "forecast"))
        own = [one for one in summaries if one.way == "forecast" and one.data != "all"]
        level = [one.coverage for one in own if one.data != "trec6 bayes"]
        lines.append(
            f"| {name} | {100 * shown.miss:.2f} | {100 * shown.bias:.2f} "
            f"| {100 * shown.coverage:.0f} % | {100 * fmean(level):.0f} % "
            f"| {100 * shown.width:.2f} | {100 * shown.interval_score:.2f} "
            f"| {100 * geometric_mean([one.interval_score for one in own]):.2f} "
            f"| {sum(verdict[key] for key in verdict if key != 'all')} of {len(verdict) - 1} |"
        )
    return "\n".join(lines)


def candidates() -> list[tuple[str, Rule]]:
    """The frozen rule, and others that differ from it in one thing."""
    found = [("frozen", FROZEN)]
    found += [
        (" + ".join(some), replace(FROZEN, families=some))
        for number in range(1, len(FAMILIES) + 1)
        for some in combinations(FAMILIES, number)
    ]
    found += [(f"shares: {one}", replace(FROZEN, shares=one)) for one in ("equal", "fit", "last")]
    found += [(f"lack of fit {x}", replace(FROZEN, lack_of_fit=x)) for x in (0.0, 0.003, 0.01)]
    found += [
        (f"per gain {x}, per doubling {y}", replace(FROZEN, per_gain=x, per_doubling=y))
        for x in (0.0, 0.1, 0.2, 0.3)
        for y in (0.0, 0.01, 0.015, 0.02, 0.025, 0.03)
    ]
    return found


def _parse() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of sst2, trec6, ...")
    parser.add_argument("--cache", type=Path, required=True, help="folder of features and ladders")
    parser.add_argument("--method", choices=("probe", "means", "tfidf", "bayes"), default="probe")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(JUDGED))
    parser.add_argument("--permutations", type=int, help="of every set; else 102, 48, 48")
    parser.add_argument("--minutes", type=float, default=12.0, help="for making ladders")
    parser.add_argument("--develop", action="store_true", help="score candidate rules instead")
    parser.add_argument("--out", type=Path, help="JSON file; the table goes beside it as .md")
    arguments = parser.parse_args()
    if odd := [name for name in arguments.sets if name not in SETS]:
        parser.error(f"no such set: {', '.join(odd)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
