"""How a study was run: what was trained on what, how fast, each run, and how to do it again."""

from __future__ import annotations

import json
import shlex
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from weft.report.formats import count, percent, short, whole
from weft.report.markdown import code, markdown_table, run_costs_to_markdown, runs_to_markdown
from weft.report.provenance import provenance
from weft.report.rows import StudyView, done, method_rank, section, withheld
from weft.report.sections.parts import Folded, Part
from weft.report.tables import share_of

if TYPE_CHECKING:
    from weft.report.gathered import Gathered

_OWN = (
    "In brackets: 95 % intervals of this one saved model's own score on new examples like those "
    "of test. They say nothing of another seed; intervals over seeds are in the table by size."
)
_FILL = (
    "Examples/s is the mean over a method's runs of training examples seen in a second, each "
    "beside its neighbours. Fill is the share of the places in a step's strips that held a token "
    "rather than padding, over the steps of the sessions that came to their end."
)


def how(found: Gathered) -> tuple[Part, ...]:
    """The section's parts."""
    view = found.view
    runs = done(view.runs)
    for run in runs:
        run["share"] = share_of(run)
    parts: list[Part] = ["## What was trained", provenance(view.facts), *_again(view)]
    if runs:
        parts += _speed(view, runs)
    if runs and not withheld(view.facts):
        own = found.adapters
        test = runs_to_markdown(runs, "test", own)
        parts.append(Folded("Runs: test", (*([_OWN] if own else []), test)))
        selects = runs_to_markdown(runs, "validation")
        parts.append(Folded("Runs: validation (selects)", (selects,)))
    if runs:
        parts.append(Folded("Runs: what they took", (run_costs_to_markdown(runs),)))
    return (*parts, *_config(view))


def _again(view: StudyView) -> list[str]:
    """The command that makes the same study in another folder."""
    if not section(view.facts, "config"):
        return []
    versions = section(view.facts, "versions")
    names = ("torch", "transformers", "peft")
    pins = [f"{name} {versions[name]}" for name in names if name in versions]
    with_them = f" With {', '.join(pins)} on a machine like this it" if pins else " It"
    command = shlex.join(["weft", "study", "study.toml", "--out", "again"])
    said = (
        "In this study's folder, whose `study.toml` holds every setting; the hashes above say "
        f"whether data and backbone are the same.{with_them} gives the same scores."
    )
    return [
        "## To run it again",
        f"~~~sh\n{command}\n~~~",
        said,
    ]


def _speed(view: StudyView, runs: list[dict[str, Any]]) -> list[str]:
    fills = _fills(view)
    methods = sorted({run["method"] for run in runs}, key=method_rank)
    lines: list[list[str]] = []
    for method in methods:
        own = [run for run in runs if run["method"] == method]
        speeds = [run["examples_per_second"] for run in own]
        known = [speed for speed in speeds if speed is not None]
        seconds = sum(run["seconds"] or 0 for run in own)
        lines.append(
            [
                *(method, str(len(own)), whole(seconds)),
                *(short(fmean(known) if known else None), percent(fills.get(method))),
            ]
        )
    headings = ("method", "runs", "seconds, summed", "examples/s", "fill")
    return ["## How fast", _FILL, markdown_table(headings, lines), *_sessions(view)]


def _fills(view: StudyView) -> dict[str, float]:
    """By method, the mean fill over all steps that sessions kept."""
    sums: dict[str, list[float]] = {}
    for session in cast("list[dict[str, Any]]", view.facts.get("sessions") or []):
        for method, (steps, mean) in section(session, "fill").items():
            own = sums.setdefault(method, [0.0, 0.0])
            own[0] += steps
            own[1] += steps * mean
    return {method: total / steps for method, (steps, total) in sums.items() if steps}


def _sessions(view: StudyView) -> list[str]:
    sessions = cast("list[dict[str, Any]]", view.facts.get("sessions") or [])
    if not sessions:
        return []
    lines = [
        f"- {session.get('begun')}, {_ended(session)}: {code(str(session.get('command')))}"
        for session in sessions
    ]
    return [f"Worked on by {count(len(sessions), 'command')}:", "\n".join(lines)]


def _ended(session: dict[str, Any]) -> str:
    ended = session.get("ended")
    return f"ended {ended}" if ended else "stopped before its end, or still at work"


def _config(view: StudyView) -> list[Part]:
    config = section(view.facts, "config")
    if not config:
        return []
    text = json.dumps(config, indent=1, ensure_ascii=False)
    fence = "~" * 3
    while fence in text:
        fence += "~"
    return [Folded("Configuration", (f"{fence}json\n{text}\n{fence}",))]
