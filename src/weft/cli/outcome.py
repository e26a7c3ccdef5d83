"""What a command prints in the end, on standard output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.markup import escape

from weft.api import Result
from weft.report.answer import between
from weft.report.convergence import STOPPED, stopped, unconverged
from weft.report.features import features_sentence
from weft.report.rows import withheld
from weft.study.notices import Opened
from weft.study.record import Outcome, RunKey

if TYPE_CHECKING:
    from weft.report import Gathered, Versus


def print_result(result: Result, opened: Opened | None, *, as_json: bool, quiet: bool) -> None:
    """The table, the answer, three predictions, the files, and what to type next."""
    if as_json:
        from weft.report.data_files import results_json

        print(results_json(result.gathered), end="")
        return
    from weft.report.tables import render, render_costs, render_grid

    console = Console(highlight=False, soft_wrap=True)
    found = result.gathered
    table = found.table
    console.print(render(table))
    some_stopped = unconverged(found.view)
    if some_stopped:
        console.print(some_stopped, markup=False)
    first, *more = found.answer
    console.print(f"\n[bold]Answer.[/] {escape(first)}")
    for paragraph in more:
        console.print(escape(paragraph))
    _print_comparisons(console, found)
    tried = render_grid(table)
    if tried is not None:
        console.print()
        console.print(tried)
    console.print()
    if len(table):
        console.print(render_costs(table))
        shared = features_sentence(found.view)
        if shared:
            console.print(shared, markup=False)
        console.print()
    finished = "done" in cast("Any", result.runs)["status"].tolist()
    if opened is not None and finished:
        _print_predictions(console, result, opened)
    if quiet:
        return
    console.print("[bold]Written[/]")
    for path in result.files:
        if path.parent.name != "figures" and "runs" not in path.parts:
            console.print(f"  {path}", markup=False)
    figures = [path for path in result.files if path.parent.name == "figures"]
    if figures:
        names = ", ".join(sorted({path.stem for path in figures}))
        console.print(f"  {figures[0].parent}/  {names} (PDF and PNG)", markup=False)
    runs = f"  {result.folder / 'runs'}/  a folder a run: model, log, predictions"
    console.print(runs, markup=False)
    if finished:
        key, outcome = result.best_run()
        console.print(
            f"\nBest model by validation: {key.name} at {key.size:,}, seed {key.seed} "
            f"({outcome.validation.accuracy:.1%} there)"
        )
        if not withheld(found.view.facts):
            console.print(f"Its own test accuracy: {_own_accuracy(found, key, outcome)}")
        again = f'  weft predict {result.folder}:best "your own sentence"'
        console.print(again, markup=False)
    console.print("[bold]Next[/]\n  weft study yours.csv")


def _print_comparisons(console: Console, found: Gathered) -> None:
    """Those that bear on the answer; the page has them all."""
    from weft.report.comparisons import equalities

    who, every = found.chosen, found.compared.family.comparisons
    if who is None or not every:
        return
    said = found.compared.of(who.method, who.sizes[-1])
    console.print("\n[bold]Differences[/] in test accuracy, 95 % intervals by Holm's procedure")
    for text in said:
        console.print(f"  {text}", markup=False)
    if len(said) < len(every):
        console.print(f"  All {len(every)} comparisons are in results.md.", markup=False)
    for text in equalities(found.compared)[-1:]:
        console.print(f"  {text}", markup=False)


def _own_accuracy(found: Gathered, key: RunKey, outcome: Outcome) -> str:
    """Of one saved model, with the interval that is its own."""
    own = found.adapters.get(key.run_id)
    if own is None:
        return f"{outcome.test.accuracy:.1%}"
    interval = f"95 % interval {between(own.accuracy)}, of this model as it is"
    return f"{outcome.test.accuracy:.1%} ({interval})"


def _print_predictions(console: Console, result: Result, opened: Opened) -> None:
    from weft.study.predictions import read_predictions

    key, outcome = result.best_run()
    path = result.folder / f"{outcome.folder}/predictions.parquet"
    predicted, sure = read_predictions(path, "test")
    test, names = opened.splits.test, opened.data.label_names
    truth = [names[int(label)] for label in test.labels]
    right = [k for k in range(len(test)) if predicted[k] == truth[k]]
    wrong = [k for k in range(len(test)) if predicted[k] != truth[k]]
    by_sureness = sorted(right, key=lambda k: -sure[k])
    first = by_sureness[:1]
    other = [k for k in by_sureness if first and truth[k] != truth[first[0]]][:1]
    chosen = [*first, *other, *sorted(wrong, key=lambda k: -sure[k])[: 3 - len(first + other)]]
    count = {1: "One", 2: "Two", 3: "Three"}[len(chosen)]
    heading = f"[bold]{count} test sentences[/] read by the best model"
    console.print(f"{heading} ({key.name}, {key.size:,} labels)")
    for k in chosen:
        mark = "[green]right[/]" if predicted[k] == truth[k] else "[red]wrong[/]"
        said = f"{predicted[k]} {sure[k]:.0%}"
        console.print(f"  {mark}  {escape(f'{said:<16}')}", end="")
        console.print(_short(test.texts[k]), markup=False, end="")
        console.print("" if predicted[k] == truth[k] else f"  (is {truth[k]})", markup=False)
    console.print()


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."


def print_versus(found: Versus, files: list[Path]) -> None:
    """What is told apart between studies, and where they stand side by side."""
    from weft.evidence.sentences import sentences

    console = Console(highlight=False, soft_wrap=True)
    console.print("\n[bold]Side by side[/], paired where the test examples agree")
    for text in sentences(found.family):
        console.print(f"  {text}", markup=False)
    for name, why in zip(found.names, found.apart, strict=True):
        if why:
            console.print(f"  {name} is not paired with {found.names[0]}: {why}.", markup=False)
    if files:
        console.print("\n[bold]The comparison[/]")
    for path in files:
        console.print(f"  {path.absolute()}", markup=False)


def print_model(
    result: Result, key: RunKey, outcome: Outcome, folder: Path, *, as_json: bool
) -> None:
    """The one model that `weft train` made."""
    if as_json:
        print((result.folder / "results.json").read_text(encoding="utf-8"), end="")
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"test accuracy {_own_accuracy(result.gathered, key, outcome)} "
        f"on {outcome.test.examples:,} examples "
        f"(F1 {outcome.test.f1:.3f}, loss {outcome.test.loss:.3f}); "
        f"validation, which chose the {outcome.chosen}: {outcome.validation.accuracy:.1%}"
    )
    if stopped(outcome.extra):
        console.print(STOPPED, markup=False)
    console.print(f"model     {folder}\nstudy     {result.folder}", markup=False)
    console.print(f'next      weft predict {folder} "your own sentence"', markup=False)
