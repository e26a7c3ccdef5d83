"""`weft study --dry-run`: the plan, and how many parameters it trains."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from weft.config import StudyConfig
from weft.errors import WeftError
from weft.study.plan import STEPPED, steps_of
from weft.study.presets import departures
from weft.study.record import cell_name
from weft.study.variants import shown, variants


def print_plan(config: StudyConfig, folder: Path) -> None:
    """Prints data, runs, parameters and folder; what cannot be reached is said, not raised.

    Raises:
        DataError: the data are there but cannot be used.
        ConfigError: the adapter has no layer to go to.
    """
    from weft.errors import BackboneError, DataError
    from weft.study.runner import open_data

    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"Plan of the study {config.name} (nothing is trained)", style="bold")
    sizes, classes = config.sizes, 2
    try:
        opened = open_data(config)
    except DataError as error:
        if sizes is None or "hub" not in str(error):
            raise
        console.print(f"data      {_first_line(error)}\n          the study cannot start like this")
    else:
        splits, sizes, classes = opened.splits, opened.splits.sizes, len(opened.data.label_names)
        console.print(f"data      {opened.data.origin}")
        console.print(
            f"          pool {len(splits.pool):,}, validation {len(splits.validation):,}, "
            f"test {len(splits.test):,} examples; {classes} classes, {splits.balance}"
        )
        for note in (*opened.data.notes, *splits.notes):
            console.print(f"          {note}", style="dim")
    if set(config.methods) != {"tfidf"}:
        try:
            _parameters(console, config, classes)
        except BackboneError as error:
            console.print(
                f"backbone  {_first_line(error)}\n          the study cannot start like this"
            )
    for line in departures(config):
        console.print(f"differs   {line}")
    _runs(console, config, sizes)
    console.print(f"folder    {folder}")


def _first_line(error: WeftError) -> str:
    return f"{error.problem}\n          {error.remedy}"


def _parameters(console: Console, config: StudyConfig, classes: int) -> None:
    from weft.nn.fitness import max_length_of
    from weft.nn.mean import MeanClassifier
    from weft.nn.shapes import Update, count_parameters
    from weft.nn.skeleton import skeleton

    model, head, origin = skeleton(config.backbone, classes)
    max_length_of(config.backbone.name, model, None, config.backbone.max_length)
    console.print(f"backbone  {config.backbone.name}: {origin}")
    updates: dict[str, Update] = {"lora": config.lora, "bitfit": "biases", "full": "all"}
    shown = [method for method in STEPPED if method in config.methods] or ["lora"]
    counts = {method: count_parameters(model, head, updates[method]) for method in shown}
    if config.grid:
        counts = _by_settings(config, classes, shown)
    heading = "trains"
    for method, (trainable, total, _) in counts.items():
        which = f", {method}" if len(counts) > 1 else ""
        share = f"{trainable:,} of {total:,} parameters ({trainable / total:.2%})"
        console.print(f"{heading:<10}{share}{which}")
        heading = ""
    if isinstance(model, MeanClassifier) or "lora" not in counts:
        return  # PEFT knows the bare encoder's adapter only, without this head
    trainable, _, peft_total = counts["lora"]
    console.print(
        f"          PEFT prints {trainable:,} of {peft_total:,} ({trainable / peft_total:.2%}): it "
        "counts the head's frozen original beside its trained copy"
    )


def _by_settings(
    config: StudyConfig, classes: int, methods: list[str]
) -> dict[str, tuple[int, int, int]]:
    """Parameters of each method, setting by setting where they train different numbers."""
    from weft.nn.shapes import Update, count_parameters
    from weft.nn.skeleton import skeleton

    found: dict[str, tuple[int, int, int]] = {}
    for method in methods:
        own: dict[str, tuple[int, int, int]] = {}
        for variant in variants(config, method):
            model, head, _ = skeleton(variant.config.backbone, classes)
            updates: dict[str, Update] = {"bitfit": "biases", "full": "all"}
            update = updates.get(method, variant.config.lora)
            own[cell_name(method, variant.label)] = count_parameters(model, head, update)
        found |= own if len(set(own.values())) > 1 else {method: next(iter(own.values()))}
    return found


def _runs(console: Console, config: StudyConfig, sizes: tuple[int, ...] | None) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("method", "size", "seeds", "steps at most"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    count = 0
    for method in config.methods:
        for variant in variants(config, method):
            for size in sizes or ():
                seeds = config.seeds_at.get(size, config.seeds)
                count += seeds
                steps = f"{steps_of(variant.config, size):,}" if method in STEPPED else "-"
                name = cell_name(method, variant.label)
                table.add_row(name, f"{size:,}", str(seeds), steps)
    for setting, values in config.grid.items():
        console.print(f"grid      {setting}: {', '.join(map(shown, values))}")
    together = f"up to {config.bank.slots} adapters at once"
    alone = "; full one by one" if "full" in config.methods else ""
    console.print(f"runs      {count}, {together}{alone}")
    console.print(table)
