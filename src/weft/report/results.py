"""results.md: the study for a reader, from the answer down to the single run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.report.formats import count
from weft.report.markdown import plain
from weft.report.sections import contents, in_markdown
from weft.report.sections.side_by_side import side_by_side

if TYPE_CHECKING:
    from weft.report.gathered import Gathered
    from weft.report.versus import Versus


def results_markdown(found: Gathered, files: Sequence[str]) -> str:
    """The whole report.

    Args:
        found: the study and what is concluded from it.
        files: everything that is written beside it, relative to the study's folder, the page first.
    """
    parts = [f"# Study: {plain(str(found.view.facts.get('name') or 'without a name'))}"]
    for section in contents(found, files):
        if not section.headed:
            parts.append(f"## {section.title}")
        parts += [said for part in section.parts for said in in_markdown(part, section.headed)]
    parts += ["## Files", _list(files)]
    return "\n\n".join(parts) + "\n"


def versus_markdown(found: Versus) -> str:
    """Several studies side by side."""
    parts = [f"# {plain(' and '.join(found.names))}"]
    for section in side_by_side(found):
        own = [said for part in section.parts for said in in_markdown(part)]
        parts += [f"## {section.title}", *own] if own else []
    return "\n\n".join(parts) + "\n"


def _list(files: Sequence[str]) -> str:
    """All files, the page first; the training logs, one per run, as one line."""
    logs = [file for file in files if file.endswith("/training_log.csv")]
    page, *rest = (file for file in files if file not in logs)
    others = [page, "results.md", *rest]
    lines = [f"- [{file}]({file})" for file in others]
    if logs:
        lines.append(f"- `runs/<run>/training_log.csv`: {count(len(logs), 'file')}")
    return "\n".join(lines)
