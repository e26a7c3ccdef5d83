"""`weft check`: what is odd about the data, before anything is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from weft.cli import options as o

_LABELS = "Label errors"
_STATE = Path("weft-studies") / ".checks"
"""Where a search that was stopped goes on from."""


def check(
    data: o.Data,
    folder: o.Folder = None,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    label: o.Label = None,
    positive: o.Positive = None,
    validation_size: o.ValidationSize = None,
    validation: o.Validation = None,
    balance: o.Balance = None,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="Look for wrong labels in train too, by 5-fold: minutes.",
            rich_help_panel=_LABELS,
        ),
    ] = False,
    labels_by: Annotated[
        Literal["lora", "probe"],
        typer.Option(
            "--labels-by",
            help="lora: adapters, all folds at once; probe: on frozen features, quicker.",
            rich_help_panel=_LABELS,
        ),
    ] = "lora",
    labels_size: Annotated[
        int,
        typer.Option(
            "--labels-size",
            min=10,
            help="Train examples looked at, at most.",
            rich_help_panel=_LABELS,
        ),
    ] = 8000,
    backbone: o.Backbone = None,
    revision: o.Revision = None,
    pooling: o.Pooling = None,
    precision: o.Precision = None,
    max_length: o.MaxLength = None,
    learning_rate: o.LearningRate = None,
    batch_size: o.BatchSize = None,
    epochs: o.Epochs = None,
    device: o.Device = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Keep it as JSON there.", rich_help_panel="Output"),
    ] = None,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Tell of repeats, leaks between splits, conflicting labels, lengths, and likely label errors;
    findings are no failure."""
    given = o.settings(locals())
    import json as _json

    from weft.data.audit.audit import audit
    from weft.data.sources import load
    from weft.data.splits import split
    from weft.study.presets import resolve

    config = resolve(data, given)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)  # now: what follows may take minutes
    read = load(config.data)
    splits = split(read, config.data, None)
    found = audit(read, splits)
    errors = None
    if labels:
        from weft.cli.check_progress import fold_progress
        from weft.study.label_errors import find_label_errors

        with fold_progress(quiet=quiet) as watch:
            errors = find_label_errors(
                config, read, splits, labels_by, labels_size, watch=watch, place=_STATE
            )
    whole = {
        "schema": 1,
        "settings": config.data.model_dump(mode="json"),
        "audit": found.as_json(),
        "label_errors": None if errors is None else errors.as_json(),
    }
    text_of_it = _json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    if out is not None:
        out.write_text(text_of_it, encoding="utf-8")
    if json:
        print(text_of_it, end="")
        return
    from weft.cli.findings import print_audit, print_label_errors

    print_audit(found, splits, config.data)
    if errors is not None:
        print_label_errors(errors)
    if out is not None and not quiet:
        print(f"\nWritten  {out}")
