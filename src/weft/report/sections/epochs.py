"""Curves per epoch: what the pictures show, and where each run ended and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft.report.formats import MISSING, percent, three, whole
from weft.report.markdown import markdown_table
from weft.report.sections.parts import Drawn, Folded, Part, picture

if TYPE_CHECKING:
    from weft.report.gathered import Gathered
    from weft.report.traces import Trace

_WHAT = (
    "Train's figures are those of the training steps themselves, with dropout on; n counts the "
    "examples of validation. Loss is cross-entropy. The ring is the "
    "epoch whose weights were kept, the one of the lowest validation loss; a bar stands at the end "
    "of a run that was stopped early, because its validation loss had not improved for as many "
    "validations as patience allows."
)


def epochs(found: Gathered, files: Sequence[str]) -> tuple[Part, ...]:
    """The section's parts; none where no run trains by epochs."""
    if not found.traces:
        return ()
    both = [
        picture("loss", files, "Loss per epoch"),
        picture("acc", files, "Accuracy per epoch"),
    ]
    headings = (
        *("size", "method", "seed", "validations", "last epoch", "kept epoch"),
        *("validation loss there", "validation accuracy there", "end"),
    )
    return (
        _WHAT,
        Drawn("epochs", "\n\n".join(line for line in both if line)),
        Folded(
            "How each run ended",
            (markdown_table(headings, [_line(trace) for trace in found.traces]),),
        ),
    )


def _line(trace: Trace) -> list[str]:
    kept = next((row for row in trace.rows if row["epoch"] == trace.best), dict[str, Any]())
    return [
        *(whole(trace.size), trace.method, str(trace.seed)),
        *(str(len(trace.rows)), str(trace.rows[-1]["epoch"])),
        str(trace.best or MISSING),
        three(kept.get("validation_loss")),
        percent(kept.get("validation_accuracy")),
        ending(trace),
    ]


def ending(trace: Trace) -> str:
    """Why a run ended, in a few words."""
    if trace.status != "done":
        return "failed" if trace.status == "failed" else "not ended"
    if trace.allowed is None:
        return MISSING
    return "stopped early" if trace.stopped else "ran its length"
