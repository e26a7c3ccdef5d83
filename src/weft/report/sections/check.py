"""What is odd about the data: repeats, text shared between splits, conflicts, lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.report.formats import percent, whole
from weft.report.markdown import code, markdown_table, plain
from weft.report.rows import section

if TYPE_CHECKING:
    from weft.report.gathered import Gathered

_LABELS = 8  # classes that are listed one by one


def check(found: Gathered) -> tuple[str, ...]:
    """The section's parts; of the data alone, so there while no run is done."""
    seen = found.seen
    parts: list[str] = []
    if seen is not None and seen.missing:
        parts.append(f"The data could not be read again: {plain(seen.missing)}")
    if seen is None or seen.check is None:
        return (*parts, _missing(found)) if seen is not None else ()
    audit = seen.check
    parts += [_WHAT, _splits(audit["splits"]), "### Repeats", _repeats(audit["duplicates"])]
    if audit["leaks"]:
        parts += ["### Text shared with train", _leaks(audit["leaks"])]
    return (*parts, "### Conflicting labels", _conflicts(audit["conflicts"]))


_WHAT = (
    "What `weft check` finds in the splits as this study used them. Findings are no faults by "
    "themselves; text that validation or test share with train makes their scores too good."
)


def _missing(found: Gathered) -> str:
    name = section(found.view.facts, "data").get("name")
    return f"No check of the data is kept with this study. `weft check` looks at {code(str(name))}."


def _splits(parts: list[dict[str, Any]]) -> str:
    lines = [["examples", *(whole(part["examples"]) for part in parts)]]
    names = list(parts[0]["labels"])
    if len(names) <= _LABELS:
        for name in names:
            counts = [part["labels"].get(name, 0) for part in parts]
            shares = [n / part["examples"] for n, part in zip(counts, parts, strict=True)]
            both = zip(counts, shares, strict=True)
            lines.append([f"labelled {name}", *(f"{whole(n)} ({percent(p)})" for n, p in both)])
    else:
        ends = [(min(part["labels"].values()), max(part["labels"].values())) for part in parts]
        lines.append(
            [f"of each of {len(names)} classes", *(f"{whole(a)} to {whole(b)}" for a, b in ends)]
        )
    lines.append(["words, mean", *(f"{part['mean_words']:.1f}" for part in parts)])
    lines.append(["words, shortest", *(whole(part["shortest"]) for part in parts)])
    lines.append(["words, median", *(whole(part["quantiles"]["0.5"]) for part in parts)])
    lines.append(["words, longest", *(whole(part["longest"]) for part in parts)])
    if any(part["wordless"] for part in parts):
        lines.append(["without a word", *(whole(part["wordless"]) for part in parts)])
    return markdown_table(("what", *(part["split"] for part in parts)), lines)


def _repeats(kinds: dict[str, Any]) -> str:
    exact, near = kinds["exact"], kinds["near"]
    lines = [
        [
            f"{name} examples that repeat another of {name}",
            whole(number),
            whole(near["spare"][name]),
        ]
        for name, number in exact["spare"].items()
    ]
    for pair, number in exact["across"].items():
        here, _, there = pair.partition(" in ")
        what = f"{here} examples that repeat one of {there}"
        lines.append([what, whole(number), whole(near["across"][pair])])
    return markdown_table(("what", "exact", "near"), lines)


def _leaks(leaks: list[dict[str, Any]]) -> str:
    rows = {
        "contain a train example": "contain",
        "contain one of many words": "contain_run",
        "lie in a train example": "lie_in",
        "do either": "either",
        "share a long run of words with train": "share_run",
    }
    lines = [
        [said, *(f"{whole(leak[key])} ({percent(leak[key] / leak['examples'])})" for leak in leaks)]
        for said, key in rows.items()
    ]
    return markdown_table(("examples that", *(leak["split"] for leak in leaks)), lines)


def _conflicts(conflicts: dict[str, Any]) -> str:
    if not conflicts["texts"]:
        return "None: equal texts bear equal labels."
    spread = ", ".join(f"{whole(n)} in {name}" for name, n in conflicts["examples"].items() if n)
    return (
        f"{whole(conflicts['texts'])} texts bear several labels ({spread}). Decide on one label "
        "for each, or delete them: `weft check` shows them."
    )
