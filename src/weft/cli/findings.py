"""What `weft check` prints: tables of what was found, a few examples, and what may be done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from weft.config import DataSettings
from weft.data.audit.audit import Audit
from weft.data.audit.corpus import Row
from weft.data.audit.leaks import RUN, Leak
from weft.data.audit.near import THRESHOLD
from weft.data.splits import Splits
from weft.study.label_errors import LabelErrors

_LABELS = 8  # classes that are listed one by one
_SHOWN = 10  # suspects printed; all are in the JSON
_WIDTH = 100  # characters of a text
_NOTABLE = 0.01  # of the examples of a split; fewer are worth no advice


def print_audit(found: Audit, splits: Splits, settings: DataSettings) -> None:
    """The whole account, on standard output; plain where that is no terminal."""
    console = _console()
    console.print(f"[bold]{escape(found.name)}[/]  {escape(found.origin)}")
    for note in found.notes:
        console.print(f"  {note}", style="dim", markup=False)
    _splits(console, found)
    _repeats(console, found)
    _leaks(console, found)
    _conflicts(console, found)
    _advice(console, found, splits, settings)


def print_label_errors(errors: LabelErrors) -> None:
    """The likeliest errors first."""
    console = _console()
    console.print(
        f"\n[bold]Labels[/]  {errors.examined:,} of {errors.pool:,} train examples, "
        f"{errors.folds}-fold by {errors.method}: {errors.accuracy:.1%} of the labels are what "
        f"models that did not see them predict; {errors.flagged:,} are in doubt."
    )
    table = _table("line", "label", "likelier", "", "text", left=(1, 2, 4))
    for one in errors.suspects[: min(_SHOWN, errors.flagged)]:
        table.add_row(
            _line(one.row), escape(one.row.label), escape(one.likelier),
            f"{one.likelier_probability:.0%}", escape(_text(one.row)),
        )  # fmt: skip
    if table.row_count:
        console.print(table)
    if errors.flagged > _SHOWN:
        console.print(f"The first {_SHOWN} of {errors.flagged:,}; --out FILE keeps all.")


def _splits(console: Console, found: Audit) -> None:
    parts = found.splits
    table = _table("", *(part.split for part in parts), left=(0,))
    table.add_row("examples", *(f"{part.examples:,}" for part in parts))
    names = list(parts[0].labels)
    if len(names) <= _LABELS:
        for name in names:
            counts = (f"{p.labels[name]:,} ({p.labels[name] / p.examples:.0%})" for p in parts)
            table.add_row(f"  {escape(name)}", *counts)
    else:
        spread = (f"{min(p.labels.values()):,} to {max(p.labels.values()):,}" for p in parts)
        table.add_row(f"  of each of {len(names):,} classes", *spread)
    table.add_row("words, mean", *(f"{part.mean_words:.1f}" for part in parts))
    table.add_row("  shortest", *(f"{part.shortest:,}" for part in parts))
    for q, said in (("0.05", "5 %"), ("0.5", "median"), ("0.95", "95 %")):
        table.add_row(f"  {said}", *(f"{part.quantiles[q]:.0f}" for part in parts))
    table.add_row("  longest", *(f"{part.longest:,}" for part in parts))
    if any(part.wordless for part in parts):
        table.add_row("without a word", *(f"{part.wordless:,}" for part in parts))
    console.print()
    console.print(table)


def _repeats(console: Console, found: Audit) -> None:
    kinds = {"exact": found.duplicates.exact, "near": found.duplicates.near}
    console.print(
        "\n[bold]Repeats[/]  exact: equal but for case and blanks; near: "
        f"{THRESHOLD:.0%} or more of their runs of five characters in common"
    )
    table = _table("", *kinds, left=(0,))
    for name in found.duplicates.exact.spare:
        counts = [kind.spare[name] for kind in kinds.values()]
        table.add_row(f"{name} examples that repeat another of {name}", *_numbers(counts))
    for pair in found.duplicates.exact.across:
        here, _, there = pair.partition(" in ")
        counts = [kind.across[pair] for kind in kinds.values()]
        table.add_row(f"{here} examples that repeat one of {there}", *_numbers(counts))
    console.print(table)
    for said, kind in kinds.items():
        for group in kind.shown[:2]:
            more = f" ({group.size:,} in all)" if group.size > len(group.rows) else ""
            console.print(f"  {said}{more}", style="dim")
            _rows(console, group.rows)


def _leaks(console: Console, found: Audit) -> None:
    if not found.leaks:
        return
    console.print("\n[bold]Text shared with train[/]  compared word by word, without punctuation")
    table = _table("examples that", *(leak.split for leak in found.leaks), left=(0,))

    def row(what: str, counts: Iterable[int]) -> None:
        shares = zip(counts, found.leaks, strict=True)
        table.add_row(what, *(f"{n:,} ({n / leak.examples:.0%})" for n, leak in shares))

    row("contain a train example", (leak.contain for leak in found.leaks))
    row(f"  of {RUN} words or more", (leak.contain_run for leak in found.leaks))
    row("lie in a train example", (leak.lie_in for leak in found.leaks))
    row("do either", (leak.either for leak in found.leaks))
    row(f"share a run of >= {RUN} tokens with train", (leak.share_run for leak in found.leaks))
    console.print(table)
    for leak in found.leaks:
        for one in leak.shown[:2]:
            console.print(f"  {one.row.split} {one.how} train", style="dim", markup=False)
            _rows(console, (one.row, one.train))


def _conflicts(console: Console, found: Audit) -> None:
    conflicts = found.conflicts
    if not conflicts.texts:
        console.print("\n[bold]Conflicting labels[/]  none: equal texts bear equal labels")
        return
    spread = ", ".join(f"{n:,} in {name}" for name, n in conflicts.examples.items() if n)
    console.print(
        f"\n[bold]Conflicting labels[/]  {conflicts.texts:,} texts bear several labels ({spread})"
    )
    for one in conflicts.shown:
        _rows(console, one.rows)


def _advice(console: Console, found: Audit, splits: Splits, settings: DataSettings) -> None:
    lines: list[str] = []
    for leak in found.leaks:
        if leak.split == "validation" and _worth(leak) and settings.validation == "random":
            lines.append(
                f"--validation disjoint drops the {leak.train:,} train examples that contain or "
                f"lie in a validation example; {len(splits.pool) - leak.train:,} remain. Without "
                "it, validation scores are too good."
            )
        elif leak.split == "test" and leak.contain_run >= _NOTABLE * leak.examples:
            lines.append(
                f"{leak.contain_run:,} test examples hold a train example of {RUN} words or more: "
                "part of a test score may be memory."
            )
    if found.conflicts.texts:
        lines.append("Decide on one label for each text that bears several, or delete them.")
    if lines:
        console.print("\n[bold]What may be done[/]")
        for line in lines:
            console.print(f"  {line}", markup=False)


def _worth(leak: Leak) -> bool:
    return leak.either >= _NOTABLE * leak.examples


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _table(*headings: str, left: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place in left else "right", no_wrap=True)
    return table


def _numbers(counts: Iterable[int]) -> list[str]:
    return [f"{count:,}" for count in counts]


def _rows(console: Console, rows: Iterable[Row]) -> None:
    for row in rows:
        place = f"    {row.split} {_line(row)}"
        console.print(f"{place:<22} {row.label}: {_text(row)}", markup=False)


def _line(row: Row) -> str:
    return f"#{row.index}" if row.line is None else str(row.line)


def _text(row: Row) -> str:
    whole = " ".join((row.text if row.pair is None else f"{row.text} | {row.pair}").split())
    return whole if len(whole) <= _WIDTH else whole[: _WIDTH - 3] + "..."
