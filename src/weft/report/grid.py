"""What a grid of settings came to: those that validation chose, and the study of them alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from weft.evidence.sentences import name_of
from weft.report.formats import count
from weft.report.rows import StudyView, done, method_rank, name_of_cell, records
from weft.study.choice import Tried, winning_variants

if TYPE_CHECKING:
    from weft.evidence.compare import Place

_Any = TypeVar("_Any")


def tried(rows: Iterable[dict[str, Any]]) -> list[Tried]:
    """What validation says of finished runs; those whose scores must not be shown are left out."""
    return [
        Tried(row["method"], row["variant"], row["size"], accuracy, row["validation_loss"] or 0.0)
        for row in rows
        if (accuracy := row["validation_accuracy"]) is not None
    ]


def several(rows: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """By method, the settings that it was run with, in their order, where there are several."""
    found: dict[str, list[str]] = {}
    for row in rows:
        own = found.setdefault(row["method"], [])
        if row["variant"] not in own:
            own.append(row["variant"])
    order = sorted(found, key=method_rank)
    return {method: found[method] for method in order if len(found[method]) > 1}


def main_settings(view: StudyView) -> dict[str, str]:
    """By method that was run with several settings, the one that curves and answer speak of.

    The same at all sizes: of the best mean validation accuracy, averaged over the sizes.
    """
    rows = records(view.runs)
    won = winning_variants(tried(done(view.runs)))
    return {method: won.get(method, own[0]) for method, own in several(rows).items()}


def of_main_settings(view: StudyView) -> StudyView:
    """The study as if each method had been run with its chosen setting alone."""
    chosen = main_settings(view)
    if not chosen:
        return view
    rows = records(view.runs)
    kept = [chosen.get(row["method"], row["variant"]) == row["variant"] for row in rows]
    ids = {row["run_id"] for row, keep in zip(rows, kept, strict=True) if keep}
    own = [row["run_id"] in ids for row in records(view.epochs)]
    runs, epochs = cast("Any", view.runs), cast("Any", view.epochs)
    return replace(
        view,
        runs=runs[kept].reset_index(drop=True),
        epochs=epochs[own].reset_index(drop=True) if own else epochs,
    )


def by_method(main: StudyView, cells: Mapping[Place, _Any]) -> dict[Place, _Any]:
    """Of what is known by name and size, the chosen settings' share, by plain method and size.

    Args:
        main: the study of the chosen settings alone.
        cells: by name, e.g. `lora (learning_rate=0.001)`, and size.
    """
    methods = {name_of_cell(row): row["method"] for row in records(main.runs)}
    return {
        (methods[name], size): value for (name, size), value in cells.items() if name in methods
    }


def grid_sentences(view: StudyView) -> tuple[str, ...]:
    """Of each method that was run with several settings, which one the answer speaks of."""
    tried_settings = several(records(view.runs))
    return tuple(
        f"{_begun(name_of(method))} here is that of {variant or 'its settings outside the grid'}: "
        f"of {len(tried_settings[method])} settings tried these have the best mean validation "
        "accuracy, averaged over the sizes."
        for method, variant in main_settings(view).items()
    )


def _begun(name: str) -> str:
    """A name at the beginning of a sentence."""
    return f"{name[0].upper()}{name[1:]}"


def looks_sentence(view: StudyView, looks: int) -> str:
    """How often test was looked at, and that it chose nothing.

    Args:
        view: the study.
        looks: finished runs whose test score is shown.
    """
    said = f"Test was looked at by {count(looks, 'run')} ({count(settings(view), 'setting')}); "
    return said + "choosing used validation alone."


def settings(view: StudyView) -> int:
    """Methods with their settings, of which a finished run's test score is shown."""
    return len({name_of_cell(row) for row in done(view.runs)})
