"""Which classes are taken for which: counts and shares, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.evidence.sentences import name_of
from weft.report.formats import MISSING, count, percent, whole
from weft.report.markdown import markdown_table, plain
from weft.report.matrices import FEW, Matrix
from weft.report.sections.parts import Drawn, Folded, Part, picture

if TYPE_CHECKING:
    from weft.report.gathered import Gathered

_ORDER = (
    "Classes stand in an order that brings those that are confused with each other side by side, "
    "so mistakes gather near the diagonal."
)


def confusions(found: Gathered, files: Sequence[str]) -> tuple[Part, ...]:
    """The section's parts; none where there is no matrix."""
    if not found.matrices:
        return ()
    last = found.matrices[-1]
    said = (
        f"Test predictions of {name_of(last.method)}; rows are the true classes, columns the "
        f"answers. Counts are summed over seeds, and shares are of the true class."
    )
    never = _never(last)
    parts: list[Part] = [said + (f" {_ORDER}" if len(last.names) > FEW else "")]
    if never:
        parts.append(never)
    parts.append(Drawn("confusion", picture("confusion_matrix", files, "Confusion matrices")))
    where = f"at {whole(last.size)} training examples ({count(last.seeds, 'seed')})"
    if last.top:
        headings = ("true", "answer", "count", "share of true")
        lines = [
            [last.names[one.true], last.names[one.answer], whole(one.count), percent(one.share)]
            for one in last.top
        ]
        parts += [f"### Most frequent confusions {where}", markdown_table(headings, lines)]
    else:
        parts.append(f"No test example was answered wrongly {where}.")
    headings = ("class", "examples", "recall", "precision", "most often taken for", "times")
    classes = markdown_table(headings, _classes(last))
    parts.append(Folded(f"Class by class {where}", (classes,)))
    return tuple(parts)


def _classes(matrix: Matrix) -> list[list[str]]:
    """A line a class, the lowest recall first; those without examples last."""
    lines: list[tuple[float, list[str]]] = []
    for k, name in enumerate(matrix.names):
        examples, recall, precision, worst = matrix.of_class(k)
        taken = (matrix.names[worst.answer], whole(worst.count)) if worst else (MISSING, MISSING)
        line = [name, whole(examples), percent(recall), percent(precision), *taken]
        lines.append((2.0 if recall is None else recall, line))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def _never(matrix: Matrix) -> str:
    """Which classes were never the answer, though test has them."""
    columns, rows = matrix.counts.sum(axis=0), matrix.counts.sum(axis=1)
    names = [name for k, name in enumerate(matrix.names) if rows[k] and not columns[k]]
    if not names:
        return ""
    shown = ", ".join(plain(name) for name in names[:8])
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"**Never answered** at {whole(matrix.size)} training examples: {shown}{more}."
