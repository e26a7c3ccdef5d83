"""`weft train`: one classifier on all the labels there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from weft.cli import options as o


def train(
    data: o.Data,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the model.", rich_help_panel="Output")
    ] = Path("weft-model"),
    method: Annotated[
        Literal["bitfit", "full", "lora", "probe", "tfidf"],
        typer.Option(help="lora, bitfit, full, probe or tfidf.", rich_help_panel="Grid"),
    ] = "lora",
    size: Annotated[
        int | None,
        typer.Option(help="Training examples; else all.", rich_help_panel="Grid"),
    ] = None,
    folder: o.Folder = None,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    label: o.Label = None,
    positive: o.Positive = None,
    validation_size: o.ValidationSize = None,
    validation: o.Validation = None,
    balance: o.Balance = None,
    backbone: o.Backbone = None,
    revision: o.Revision = None,
    pooling: o.Pooling = None,
    precision: o.Precision = None,
    max_length: o.MaxLength = None,
    r: o.Rank = None,
    lora_alpha: o.Alpha = None,
    lora_dropout: o.LoraDropout = None,
    target_modules: o.Targets = None,
    learning_rate: o.LearningRate = None,
    bitfit_learning_rate: o.BitfitLearningRate = None,
    full_learning_rate: o.FullLearningRate = None,
    batch_size: o.BatchSize = None,
    epochs: o.Epochs = None,
    weight_decay: o.WeightDecay = None,
    max_grad_norm: o.MaxGradNorm = None,
    patience: o.Patience = None,
    min_steps: o.MinSteps = None,
    evaluations: o.Evaluations = None,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Train one classifier and save it; its study (log, scores, figures) lies beside it."""
    given = o.settings({**locals(), "methods": method, "seeds": 1})
    from weft.api import Study
    from weft.classifier import load
    from weft.cli.outcome import print_model
    from weft.cli.progress import Progress
    from weft.errors import ConfigError, TrainingError
    from weft.study.choice import MODEL
    from weft.study.presets import merged, resolve
    from weft.study.runner import open_data, typed_command

    config = resolve(data, given)
    if config.grid:
        raise ConfigError(
            "weft train makes one classifier, and these settings are a grid",
            found=", ".join(config.grid),
            remedy="try them with `weft study`, or leave the grid out",
        )
    largest = size or open_data(config.model_copy(update={"sizes": None})).splits.available
    config = resolve(data, merged(given, {"sizes": [largest]}))
    with Progress(quiet=quiet, as_json=json) as progress:
        result = Study.of(config, out / "study").run(watch=progress, command=typed_command())
    if not result.complete:
        raise TrainingError(
            "the run failed", remedy=f"see {out / 'study' / 'results.md'} for what it said"
        )
    key, outcome = result.run_of(method, largest)
    load(result.folder / "runs" / key.run_id / MODEL).save_pretrained(out)
    print_model(result, key, outcome, out, as_json=json)
