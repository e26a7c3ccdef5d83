"""`weft study`: train and compare sizes x methods x seeds; the same command goes on."""

from __future__ import annotations

from weft.cli import options as o


def study(
    data: o.Data,
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
    sizes: o.Sizes = None,
    seeds: o.Seeds = None,
    seeds_at: o.SeedsAt = None,
    methods: o.Methods = None,
    grid: o.Grid = None,
    target: o.Target = None,
    slots: o.Slots = None,
    device: o.Device = None,
    strip_width: o.StripWidth = None,
    exact: o.Exact = None,
    out: o.Out = None,
    log_to: o.LogTo = None,
    show_config: o.ShowConfig = False,
    dry_run: o.DryRun = False,
    texts: o.Texts = True,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Train and compare sizes x methods x seeds on one data set; the same command resumes."""
    given = o.settings(locals())
    from weft.study.presets import resolve, to_toml

    config = resolve(data, given)
    if show_config:
        print(to_toml(config), end="")
        return
    from weft.api import Result, Study, default_folder

    place = out or default_folder(config)
    if dry_run:
        from weft.cli.dry_run import print_plan

        print_plan(config, place)
        return
    from weft.cli.outcome import print_result
    from weft.cli.progress import Progress
    from weft.study.runner import typed_command

    with Progress(quiet=quiet, as_json=json) as progress:
        whole = Study.of(config, place)
        result: Result = whole.run(progress, typed_command(), texts, log_to or ())
    shown = progress.opened if texts else None  # else no sentence is printed either
    print_result(result, shown, as_json=json, quiet=quiet)
    if not result.complete:
        raise SystemExit(1)
