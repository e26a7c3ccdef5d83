"""What was trained, on what and with what: the study's facts in words; what is unknown is left out.

Facts that are read, all optional: `command` (str), `config` (a `StudyConfig` as a dictionary),
`departures` (list of str), `data` (name, origin, label_names, positive, balance, train, validation,
test, hashes, notes), `backbone` (name, origin, revision, sha256, parameters, hidden, pooling,
precision), `versions` and `machine` (dictionaries), and `published` (by size as text: loss,
accuracy as a share of 1, f1, note).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from weft.report.formats import count, percent, three, whole
from weft.report.markdown import code, markdown_table, plain
from weft.report.rows import main_method, records, section

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)


def provenance(facts: dict[str, Any]) -> str:
    """Command, backbone, data, protocol, settings, departures, versions and machine as bullets."""
    parts = [
        ("Command", code(str(facts["command"])) if facts.get("command") else ""),
        ("Backbone", _backbone(section(facts, "backbone"))),
        ("Data", _data(section(facts, "data"))),
        ("Protocol", _protocol(section(facts, "data"))),
        ("Settings", _settings(section(facts, "config"))),
        ("Departures from the preset", _departures(facts)),
        ("Versions", _pairs(section(facts, "versions"))),
        ("Machine", _machine(section(facts, "machine"))),
    ]
    lines = [f"- **{name}**: {words}" for name, words in parts if words]
    return "\n".join(lines) if lines else "The ledger holds no facts about this study."


def published(facts: dict[str, Any], summary: pd.DataFrame) -> str:
    """Others' figures beside this study's main method, size by size; empty where there are none."""
    theirs = section(facts, "published")
    if not theirs:
        return ""
    rows = [row for row in records(summary) if row["main"] is not False]
    method = main_method(rows) or "this study"
    ours = {row["size"]: row for row in rows if row["method"] == method}
    lines: list[list[str]] = []
    for size in sorted(theirs, key=int):
        figures, own = section(theirs, size), ours.get(int(size), {})
        lines.append(
            [
                whole(int(size)),
                *(percent(figures.get("accuracy")), percent(own.get("test_accuracy"))),
                *(three(figures.get("f1")), three(own.get("test_f1"))),
                *(three(figures.get("loss")), three(own.get("test_loss"))),
                str(figures.get("note") or ""),
            ]
        )
    whose = ("published", f"{method} here")
    headings = ["size", *(f"{name}, {who}" for name in _BESIDE for who in whose), "note"]
    if not any(line[-1] for line in lines):
        headings, lines = headings[:-1], [line[:-1] for line in lines]
    return f"{_elsewhere(facts)}\n\n{markdown_table(headings, lines)}"


def _elsewhere(facts: dict[str, Any]) -> str:
    name = section(facts, "backbone").get("name")
    here = f" Here the backbone is {code(str(name))}." if name else ""
    return (
        "Test figures that others published, beside this study's means. They come from another "
        f"study with a backbone, splits and seeds of its own, and were not run here.{here}"
    )


_BESIDE = ("accuracy", "F1", "loss")
_NAMED = 12  # classes that are named one by one


def _backbone(backbone: dict[str, Any]) -> str:
    parts = [code(str(backbone["name"]))] if backbone.get("name") else []
    if backbone.get("origin"):
        parts.append(f"from {plain(str(backbone['origin']))}")
    if backbone.get("revision"):
        parts.append(f"revision {code(str(backbone['revision']))}")
    if backbone.get("parameters"):
        parts.append(f"{whole(backbone['parameters'])} parameters")
    if backbone.get("hidden"):
        parts.append(f"hidden width {whole(backbone['hidden'])}")
    parts += [
        f"{name} {plain(str(backbone[name]))}"
        for name in ("pooling", "precision")
        if backbone.get(name)
    ]
    if backbone.get("sha256"):
        parts.append(f"sha256 {code(str(backbone['sha256']))}")
    return ", ".join(parts)


def _data(data: dict[str, Any]) -> str:
    parts = [code(str(data["name"]))] if data.get("name") else []
    if data.get("origin"):
        parts.append(plain(str(data["origin"])).rstrip("."))
    names = [str(name) for name in data.get("label_names", [])]
    if names:
        shown = ", ".join(code(name) for name in names[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{len(names)} classes ({shown}{more})")
    positive = data.get("positive")
    if isinstance(positive, int) and 0 <= positive < len(names):
        parts.append(f"the positive class is {code(names[positive])}")
    lines = ["; ".join(parts)]
    lines += [f"  - {plain(str(note))}" for note in data.get("notes", [])]
    hashes = section(data, "hashes")
    lines += [f"  - sha256 of {plain(name)}: {code(str(hashes[name]))}" for name in sorted(hashes)]
    return "\n".join(lines) if data else ""


def _protocol(data: dict[str, Any]) -> str:
    if not data:
        return ""
    balance = f"{plain(str(data['balance']))} " if data.get("balance") else ""
    pool = f"{whole(data['train'])} " if data.get("train") else ""
    return (
        f"{balance}training sets are drawn from {pool}examples and nest within a seed; a seed "
        "also changes order, initialisation and dropout. "
        f"{_some(data, 'validation')} select the epoch and the best method; "
        f"{_some(data, 'test')} are scored once and never choose"
    )


def _some(data: dict[str, Any], split: str) -> str:
    number = f"{whole(data[split])} " if data.get(split) else ""
    return f"{number}{split} examples"


def _settings(config: dict[str, Any]) -> str:
    methods = cast("list[str]", config.get("methods") or [])
    own = [name for name in ("bitfit", "full") if name in methods]
    parts = [
        f"{name} ({_pairs(section(config, name))})"
        for name in ("recipe", "lora", *own)
        if section(config, name)
    ]
    if section(config, "grid"):
        parts.append(f"in their place ({_pairs(section(config, 'grid'))}), every combination")
    return "; ".join(parts)


def _departures(facts: dict[str, Any]) -> str:
    if "departures" not in facts:
        return ""
    departures = cast("list[str]", facts["departures"] or [])
    lines = [f"\n  - {plain(departure)}" for departure in departures]
    return "".join(lines) or "none"


def _machine(machine: dict[str, Any]) -> str:
    parts = [plain(str(machine[name])) for name in ("cpu",) if machine.get(name)]
    if machine.get("memory_gib") is not None:
        parts.append(f"{_number(machine['memory_gib'])} GiB of memory")
    parts += [
        count(int(machine[f"{unit}s"]), unit)
        for unit in ("core", "thread")
        if machine.get(f"{unit}s") is not None
    ]
    parts += [plain(str(machine[name])) for name in ("platform",) if machine.get(name)]
    return ", ".join(parts)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _pairs(values: dict[str, Any]) -> str:
    """Names and values as words; what is None was left to weft and is not repeated."""
    return ", ".join(
        f"{plain(name.replace('_', ' '))} {_word(value)}"
        for name, value in values.items()
        if value is not None
    )


def _word(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(_word(item) for item in cast("list[Any]", value))
    return plain(str(value))
