"""All settings and their defaults. Config objects travel whole; unknown keys are refused."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    model_validator,
)

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the packaged MiniLM's model.safetensors."""

Method = Literal["bitfit", "full", "lora", "probe", "tfidf"]
Balance = Literal["auto", "balanced", "stratified", "strict"]
Validation = Literal["random", "disjoint"]
Pooling = Literal["auto", "cls", "mean"]
Precision = Literal["auto", "bf16", "float32", "float64"]


Seeds = Annotated[int, Field(gt=0, le=10_000)]
Count = Annotated[int, Field(gt=0, le=10**9)]
"""Of things that are counted; the bound keeps a slip of the keyboard from filling the memory."""


def _folder_name(name: str) -> str:
    """A study's name is part of its folder's, and must not lead out of the folder above.

    Raises:
        ValueError: it is no name of one folder.
    """
    if not name.strip(". ") or len(name) > 100 or not name.isprintable() or set(name) & set("/\\:"):
        raise ValueError("a name of up to 100 characters, without / \\ : or line breaks, is wanted")
    return name


class Settings(BaseModel):
    """Base of all settings: frozen, unknown keys refused, defaults checked too."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


class DataSettings(Settings):
    """Which labelled text, and how it is split."""

    source: Annotated[str, Field(min_length=1)] = "demo"
    """`demo`, `sst2`, a file, a folder, or a hub name such as `nyu-mll/glue/sst2`."""
    folder: str | None = None
    """Where a preset's files lie (`--data`); None: the hub."""
    text: str | None = None
    """Column of the text; None: found by name."""
    text_pair: str | None = None
    """Column of the second text of a pair; None: found by name, or no pair."""
    label: str | None = None
    """Column of the label; None: found by name."""
    positive: str | None = None
    """The label that counts as positive for two classes; None: found, and said."""
    validation_size: Count | None = None
    """Examples that select; None: min(1,000, 10 % of train), or the data's own validation split."""
    validation: Validation = "random"
    """disjoint: train loses the examples that contain, or lie in, a validation example; sizes end
    where balance would."""
    balance: Balance = "auto"
    """How a training set is drawn: auto is balanced for two classes and stratified for more."""


class BackboneSettings(Settings):
    """Which frozen encoder, and how it is read."""

    name: Annotated[str, Field(min_length=1)] = "minilm"
    """`minilm`, a local folder, or a hub id."""
    revision: str | None = None
    """Commit, tag or branch on the hub."""
    pooling: Pooling = "auto"
    """How a text becomes one vector: auto follows the checkpoint's own card."""
    precision: Precision = "auto"
    """Number format of the encoder's products; what is trained, and its optimiser, are always at
    least float32."""
    max_length: Count | None = None
    """Tokens a text is cut to; None: the encoder's own limit, 512 at most."""


class LoraSettings(Settings):
    """The adapter; the names are PEFT's."""

    r: Annotated[int, Field(gt=0, le=4096)] = 8
    lora_alpha: PositiveFloat = 16
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Linear layers by the end of their name; None: the query and value projections."""
    bias: Literal["none"] = "none"


class Recipe(Settings):
    """How a run is trained. The defaults were searched on validation (`benchmarks/recipe.py`)."""

    learning_rate: PositiveFloat = 2e-3
    """LoRA's; BitFit and full fine-tuning have their own."""
    batch_size: Count = 32
    epochs: Count = 5
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0
    patience: Count = 2
    """Validations without a better loss after which a run stops."""
    min_steps: Annotated[int, Field(ge=0, le=10**9)] = 640
    """Steps that a run is granted at least: a small training set gets more epochs until it has
    them. Where `epochs` are given and this is not, 0: as many epochs as were asked for."""
    evaluations: Count = 20
    """Validations of a run at most; where there are more epochs, one every few."""

    @model_validator(mode="before")
    @classmethod
    def _epochs_as_asked(cls, given: object) -> object:
        """Who says how many epochs wants so many, unless a floor is given beside them."""
        if isinstance(given, dict):
            fields = cast("dict[str, Any]", given)
            return {"min_steps": 0} | fields if "epochs" in fields else fields
        return given

    def steps_per_epoch(self, size: int) -> int:
        """Optimiser steps in one pass over `size` examples; the last batch may be smaller."""
        return math.ceil(size / self.batch_size)

    def epochs_at(self, size: int) -> int:
        """Passes over `size` examples at most: more than `epochs` where `min_steps` asks."""
        return max(self.epochs, math.ceil(self.min_steps / self.steps_per_epoch(size)))

    def steps_at(self, size: int) -> int:
        """Optimiser steps of a run over `size` examples at most."""
        return self.epochs_at(size) * self.steps_per_epoch(size)


class BitfitSettings(Settings):
    """Training of the biases and the head alone; the rest of the recipe is `Recipe`'s.

    Ben Zaken, Ravfogel and Goldberg, BitFit (2022).
    """

    learning_rate: PositiveFloat = 1e-3


class FullSettings(Settings):
    """Training of all weights; the rest of the recipe is `Recipe`'s."""

    learning_rate: PositiveFloat = 2e-5


class BankSettings(Settings):
    """How many runs are trained at once."""

    slots: Annotated[int, Field(ge=1, le=64)] = 6
    strip_width: Count | None = None
    """Tokens per strip; None: follows the lengths of the texts. Encoders whose layers are computed
    flat have no strips."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where adapters are trained and features computed; predicting is the CPU's."""
    exact: bool = False
    """Compute every run's products in the shapes they have alone: slower, bit for bit."""


class StudyConfig(Settings):
    """A whole study: protocol and grid."""

    name: Annotated[str, AfterValidator(_folder_name)] = "demo"
    data: DataSettings = DataSettings()
    backbone: BackboneSettings = BackboneSettings()
    sizes: tuple[Count, ...] | None = None
    """Training sizes, ascending; None: a ladder of five that ends at all that is there."""
    seeds: Seeds = 3
    """Seeds 0, 1, ... per size."""
    seeds_at: dict[int, Seeds] = {}
    """Another number of seeds at these sizes, e.g. {56000 = 2}."""
    methods: tuple[Method, ...] = ("lora", "probe", "tfidf")
    grid: dict[str, tuple[int | float | str | tuple[str, ...], ...]] = {}
    """Values tried of further settings, by dotted name, e.g. {"recipe.learning_rate" =
    [5e-4, 1e-3]}: every combination of those that a method heeds, at every size and seed."""
    target: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Test accuracy wanted, a share: the report says how many labels it takes. Changes no run."""
    lora: LoraSettings = LoraSettings()
    bitfit: BitfitSettings = BitfitSettings()
    full: FullSettings = FullSettings()
    recipe: Recipe = Recipe()
    bank: BankSettings = BankSettings()
