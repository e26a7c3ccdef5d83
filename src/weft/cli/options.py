"""Every option that sets a study's configuration: declared once, used by `study` and `train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.study.places import PLACES, place_of

_DATA, _MODEL, _RECIPE, _GRID, _BANK, _OUT = (
    "Data",
    "Backbone and adapter",
    "Recipe",
    "Grid",
    "Bank",
    "Output",
)


def _option(*names: str, help: str, panel: str) -> Any:  # noqa: A002 (typer's own word)
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False)


Data = Annotated[
    str,
    typer.Argument(
        help="demo, sst2 (the published study), a file or folder (CSV, TSV, JSON Lines, Parquet), "
        "a hub name such as nyu-mll/glue/sst2, or a TOML file.",
        show_default=False,
    ),
]
Folder = Annotated[
    str | None,
    _option("--data", help="Folder of the preset's files, e.g. GLUE's TSVs.", panel=_DATA),
]
Text = Annotated[str | None, _option("--text", help="Column of the text.", panel=_DATA)]
TextPair = Annotated[
    str | None, _option("--text-pair", help="Column of the second text of a pair.", panel=_DATA)
]
Label = Annotated[str | None, _option("--label", help="Column of the label.", panel=_DATA)]
Positive = Annotated[
    str | None, _option("--positive", help="The label that counts as positive.", panel=_DATA)
]
ValidationSize = Annotated[
    int | None,
    _option("--validation-size", help="Examples that select; else min(1,000, 10 %).", panel=_DATA),
]
Validation = Annotated[
    str | None,
    _option(
        "--validation",
        help="random, or disjoint: train loses what contains or lies in a validation example.",
        panel=_DATA,
    ),
]
Balance = Annotated[
    str | None,
    _option(
        "--balance", help="auto, balanced, stratified, or strict (refuse if not).", panel=_DATA
    ),
]
Backbone = Annotated[
    str | None, _option("--backbone", help="minilm, a folder, or a hub id.", panel=_MODEL)
]
Revision = Annotated[
    str | None, _option("--revision", help="Commit, tag or branch on the hub.", panel=_MODEL)
]
Pooling = Annotated[str | None, _option("--pooling", help="auto, cls or mean.", panel=_MODEL)]
Precision = Annotated[
    str | None,
    _option(
        "--precision", help="auto, bf16, float32 or float64, of frozen products.", panel=_MODEL
    ),
]
MaxLength = Annotated[
    int | None, _option("--max-length", help="Tokens that a text is cut to.", panel=_MODEL)
]
Rank = Annotated[int | None, _option("--r", help="Rank of the adapter (8).", panel=_MODEL)]
Alpha = Annotated[
    float | None, _option("--lora-alpha", help="Its scale: alpha / r (16).", panel=_MODEL)
]
LoraDropout = Annotated[
    float | None, _option("--lora-dropout", help="Dropout before it (0.1).", panel=_MODEL)
]
Targets = Annotated[
    str | None,
    _option("--target-modules", help="Linear layers it updates, e.g. query,value.", panel=_MODEL),
]
LearningRate = Annotated[
    float | None,
    _option("--learning-rate", help="LoRA's, falling to 0 (2e-3; sst2: 5e-4).", panel=_RECIPE),
]
BitfitLearningRate = Annotated[
    float | None, _option("--bitfit-learning-rate", help="BitFit's (1e-3).", panel=_RECIPE)
]
FullLearningRate = Annotated[
    float | None,
    _option("--full-learning-rate", help="Full fine-tuning's (2e-5).", panel=_RECIPE),
]
BatchSize = Annotated[
    int | None, _option("--batch-size", help="Examples per step and run (32).", panel=_RECIPE)
]
Epochs = Annotated[
    int | None,
    _option(
        "--epochs",
        help="At most so many (5, or more for a small set: see --min-steps).",
        panel=_RECIPE,
    ),
]
WeightDecay = Annotated[
    float | None, _option("--weight-decay", help="Of AdamW (0).", panel=_RECIPE)
]
MaxGradNorm = Annotated[
    float | None, _option("--max-grad-norm", help="Clip each run's gradient at (1).", panel=_RECIPE)
]
Patience = Annotated[
    int | None,
    _option(
        "--patience", help="Stop after so many validations with no better loss (2).", panel=_RECIPE
    ),
]
MinSteps = Annotated[
    int | None,
    _option(
        "--min-steps",
        help="More epochs for a small set, until it has these (640; sst2, or --epochs given: 0).",
        panel=_RECIPE,
    ),
]
Evaluations = Annotated[
    int | None, _option("--evaluations", help="Validations of a run at most (20).", panel=_RECIPE)
]
Sizes = Annotated[
    str | None,
    _option(
        "--sizes",
        help="Training sizes, e.g. 250,1000,4000, or a ladder FROM:TO:COUNT, e.g. 250:16000:7.",
        panel=_GRID,
    ),
]
Seeds = Annotated[int | None, _option("--seeds", help="Seeds per size (3).", panel=_GRID)]
SeedsAt = Annotated[
    str | None, _option("--seeds-at", help="Another number at a size, e.g. 56000:2.", panel=_GRID)
]
Methods = Annotated[
    str | None, _option("--methods", help="Any of lora,bitfit,full,probe,tfidf.", panel=_GRID)
]
Grid = Annotated[
    list[str] | None,
    _option(
        "--grid",
        help="Values to try of a further setting, e.g. learning-rate=5e-4,1e-3; may be repeated.",
        panel=_GRID,
    ),
]
Target = Annotated[
    float | None,
    _option(
        "--target",
        help="Test accuracy wanted, e.g. 0.90: the answer says how many labels it takes.",
        panel=_OUT,
    ),
]
Device = Annotated[
    str | None, _option("--device", help="cpu or cuda, where adapters train.", panel=_BANK)
]
Slots = Annotated[int | None, _option("--slots", help="Runs trained at once (6).", panel=_BANK)]
StripWidth = Annotated[
    int | None,
    _option("--strip-width", help="Tokens per strip, for encoders that need strips.", panel=_BANK),
]
Exact = Annotated[
    bool | None,
    _option("--exact", help="Each run bit for bit as it comes out alone; slower.", panel=_BANK),
]
Out = Annotated[Path | None, _option("--out", "-o", help="The study's folder.", panel=_OUT)]
LogTo = Annotated[
    list[str] | None,
    _option(
        "--log-to",
        help="tensorboard or mlflow, e.g. mlflow=http://127.0.0.1:5000; may be repeated.",
        panel=_OUT,
    ),
]
ShowConfig = Annotated[
    bool, typer.Option("--show-config", help="Print the TOML that would run.", rich_help_panel=_OUT)
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the plan and train nothing.", rich_help_panel=_OUT),
]
Texts = Annotated[
    bool,
    typer.Option(
        "--texts/--no-texts",
        help="Show test examples in the report; their texts are read from the data again.",
        rich_help_panel=_OUT,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=_OUT)]
Json = Annotated[
    bool, typer.Option("--json", help="Results as JSON on standard output.", rich_help_panel=_OUT)
]


def settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The tree of settings that the given options describe; what was not given is absent, and
    lists stand as typed."""
    tree: dict[str, Any] = {}
    for option, place in PLACES.items():
        value = given.get(option)
        if value is None:
            continue
        *above, leaf = place.split(".")
        below = tree
        for name in above:
            below = below.setdefault(name, {})
        below[leaf] = value
    if given.get("grid"):
        tree["grid"] = _axes(given["grid"])
    return tree


def _axes(typed: Sequence[str]) -> dict[str, str]:
    """Values as typed by name; what is wrong with them is told with all other faults."""
    axes: dict[str, str] = {}
    for text in typed:
        name, _, values = text.partition("=")
        place = place_of(name)
        axes[place] = f"{axes[place]},{values}" if place in axes else values
    return axes


def refuse_no_share(option: str, what: str, given: float | None) -> None:
    """Refuses a value that is given and does not lie between 0 and 1.

    Raises:
        ConfigError: it does not.
    """
    from weft.errors import ConfigError

    if given is not None and not 0 < given < 1:
        raise ConfigError(
            f"{option} is {what} between 0 and 1", found=f"{given:g}", remedy="e.g. 0.90"
        )
