"""`weft train`: one classifier on all the labels there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from weft.cli import options as o


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="As for weft study; with --from: where the study's data are now, if elsewhere.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A study's folder: its winning recipe on all labels, train and validation, for as "
            "many steps as validation chose (median over the seeds).",
            rich_help_panel="Grid",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the model.", rich_help_panel="Output")
    ] = Path("weft-model"),
    method: Annotated[
        Literal["bitfit", "full", "lora", "probe", "tfidf"] | None,
        typer.Option(
            help="lora (as when none is named), bitfit, full, probe or tfidf.",
            rich_help_panel="Grid",
        ),
    ] = None,
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
    typed = locals()
    from weft.errors import ConfigError, TrainingError

    sizes = {} if size is None else {"sizes": [size]}
    if study is not None:
        from weft.cli.refit import refit_and_print

        given = {**o.settings({**typed, "methods": method}), **sizes}
        refit_and_print(study, data, given, out, quiet=quiet, as_json=json)
        return
    if data is None:
        raise ConfigError(
            "weft train needs labelled texts", remedy="name them, e.g. weft train yours.csv"
        )
    method = method or "lora"
    given = {**o.settings({**typed, "methods": method, "seeds": 1}), **sizes}
    from weft.api import Study
    from weft.classifier import load
    from weft.cli.outcome import print_model
    from weft.cli.progress import Progress
    from weft.study.choice import MODEL
    from weft.study.presets import resolve
    from weft.study.runner import open_data, typed_command
    from weft.study.trees import merged

    config = resolve(data, given)
    if config.grid:
        raise ConfigError(
            "weft train makes one classifier, and these settings are a grid",
            found=", ".join(config.grid),
            remedy="try them with `weft study`, or leave the grid out",
        )
    open_size = config.model_copy(update={"sizes": None})
    largest = open_data(open_size).splits.available if size is None else size
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
