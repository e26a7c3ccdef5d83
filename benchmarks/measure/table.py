"""From figures to rows of the table, and the table's two files. No torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from measure.pairing import Measured
from measure.rows import Row

Entry = dict[str, Any]
"""A measured row as it stands in the JSON."""
SCHEMA = 1
SAME = ("machine", "versions", "data", "quick")
"""What rows of one table must share."""
HEADINGS = (
    *("row", "what", "against", "weft", "peer", "ratio (min to max)", "target", "met"),
    "bare products / peer",
)


def entry(row: Row, measured: Measured) -> Entry:
    """The row as it is reported.

    Figures are medians over the repeats. Ratios are taken pair by pair, from figures of the same
    repeat, and then their median. What is held against the target is the ratio, or our own figure
    where there is no peer.
    """
    ours = measured.figures[row.ours]
    theirs = None if row.theirs is None else measured.figures[row.theirs]
    pairs = None if theirs is None else ratios(ours, theirs, inverted=row.speed_up)
    judged = ours if pairs is None else pairs
    bound = None
    if row.bare is not None and theirs is not None:
        bound = median(ratios(measured.figures[row.bare], theirs))
    said = [row.note, *(measured.notes.get(side or "", "") for side in (row.ours, row.theirs))]
    return {
        "id": row.id,
        "what": row.what,
        "peer": row.peer,
        "ours": median(ours),
        "theirs": None if theirs is None else median(theirs),
        "unit": row.unit,
        "ratio": None if pairs is None else median(pairs),
        "spread": [min(judged), max(judged)],
        "repeats": len(ours),
        "target": {"sense": row.sense, "value": row.target},
        "met": met(row, median(judged)),
        "bare_to_peer": bound,
        "note": "; ".join(note for note in said if note),
        "figures": {"ours": ours, "theirs": theirs},
    }


def ratios(ours: Sequence[float], theirs: Sequence[float], inverted: bool = False) -> list[float]:
    """Ours over theirs, or theirs over ours, repeat by repeat."""
    pairs = zip(theirs, ours, strict=True) if inverted else zip(ours, theirs, strict=True)
    return [above / below for above, below in pairs]


def met(row: Row, figure: float) -> bool:
    """Whether the figure, as measured and not as rounded, reaches the row's target."""
    return figure >= row.target if row.sense == "at least" else figure <= row.target


# --- files --------------------------------------------------------------------------------------


def begun(path: Path, head: Entry) -> tuple[list[Entry], list[str]]:
    """Rows that the file at `path` already has, and what keeps them from being used.

    Rows of another machine, other versions, data or a quick try do not stand in one table.
    """
    if not path.exists():
        return [], []
    old: Entry = json.loads(path.read_text(encoding="utf-8"))
    differs = [name for name in ("schema", *SAME) if old.get(name) != head[name]]
    return ([] if differs else old["rows"]), differs


def merged(rows: Sequence[Entry], new: Entry) -> list[Entry]:
    """The rows with the new one in its place, in the order of their ids."""
    others = [row for row in rows if row["id"] != new["id"]]
    return sorted([*others, new], key=lambda row: row["id"])


def write(path: Path, head: Entry, rows: Sequence[Entry]) -> None:
    """Both files, each whole or not at all: JSON at `path`, Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {**head, "rows": list(rows)}
    texts = {path: json.dumps(result, indent=1) + "\n", path.with_suffix(".md"): markdown(result)}
    for place, text in texts.items():
        draft = place.with_name(f"{place.name}.tmp")
        draft.write_text(text, encoding="utf-8")
        draft.replace(place)


# --- words --------------------------------------------------------------------------------------


def markdown(result: Entry) -> str:
    """The table as a page, with what must be known to read it."""
    machine, rows = result["machine"], result["rows"]
    lines = [
        "# Speed: weft and its peers",
        "",
        *(["**A quick try: these figures mean nothing.**", ""] if result["quick"] else []),
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads,",
        f"{machine['memory_gib']} GiB; {machine['platform']}.",
        "SST-2, batches of 32 per run. Figures are medians; the ratio is the median of ratios",
        "paired by repeat (of seconds the peer's over ours, else ours over the peer's).",
        "*bare products / peer* is what the machine's matrix products alone would reach against",
        "that peer. How each side is measured: [README](../README.md).",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|---|---|---|---:|---:|---:|---:|---|---:|",
        *("| " + " | ".join(_cells(row)) + " |" for row in rows),
    ]
    if noted := [f"- **{row['id']}**: {row['note']}." for row in rows if row["note"]]:
        lines += ["", *noted]
    if odd := stale(rows):
        lines += ["", f"Measured on other sources of weft than the newest row: {', '.join(odd)}."]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return "\n".join([*lines, "", f"`{result['command']}`, {result['date']}; {versions}.", ""])


def stale(rows: Sequence[Entry]) -> list[str]:
    """Rows whose sources of weft are not those of the row measured last."""
    newest = max(rows, key=lambda row: row["date"], default={"sources": None})["sources"]
    return [row["id"] for row in rows if row["sources"] != newest]


def _cells(row: Entry) -> list[str]:
    low, high = row["spread"]
    alone = row["ratio"] is None
    repeats = "" if row["repeats"] > 1 else ", one repeat"
    judged = row["ours"] if alone else row["ratio"]
    sign = "at least" if row["target"]["sense"] == "at least" else "at most"
    unit = f" {row['unit']}" if alone else "x"
    return [
        row["id"],
        row["what"],
        row["peer"],
        f"{_number(row['ours'])} {row['unit']}",
        "" if alone else f"{_number(row['theirs'])} {row['unit']}",
        f"{_number(judged)} ({_number(low)} to {_number(high)}{repeats})",
        f"{sign} {row['target']['value']:g}{unit}",
        "yes" if row["met"] else "**no**",
        "" if row["bare_to_peer"] is None else _number(row["bare_to_peer"]),
    ]


def _number(value: float) -> str:
    """Three figures, so that no rounding lifts a row over its target unseen."""
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}"
