"""`weft.json`: what a saved model is, beside its weights. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from weft.config import Method, Precision
from weft.errors import AdapterError, listed

FILE = "weft.json"
MODEL_FILES = (
    FILE,
    "classifier.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "head.safetensors",
    "bitfit.safetensors",
    "config.json",
    "model.safetensors",
    "probe.safetensors",
    "tfidf.safetensors",
    "vocabulary.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "claim.json",
    "README.md",
)
"""All that a model of any method consists of."""
SCHEMA = 2
"""1 had no calibration. A weft that knows only 1 refuses 2 as newer, rather than as damaged."""


class BackboneCard(BaseModel):
    """The encoder that a saved model belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    revision: str | None
    sha256: str
    pooling: Literal["cls", "mean"]
    max_length: Annotated[int, Field(gt=0, le=10**9)]
    precision: Precision = "auto"
    """Of the products with which it was trained."""


class CalibrationCard(BaseModel):
    """The temperature of a saved model's probabilities, and how it was found."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    temperature: PositiveFloat
    """What logits are divided by; 1 changes nothing."""
    reason: str | None = None
    """Why it is not the minimum of the validation log loss; None: it is."""
    examples: int
    """Of validation, on which it was fitted: each by the epoch, or the C, that the other folds
    choose."""
    folds: int
    """Of that cross-fitting, and of the one behind the loss after."""
    validation_loss_before: float | None
    """Mean log loss of these in nats without a temperature."""
    validation_loss_after: float | None
    """Cross-fitted: each fold's examples at the temperature of the other folds."""


class ModelCard(BaseModel):
    """A saved model's own description; the schema version comes first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA
    method: Method
    labels: tuple[str, ...]
    positive: int | None
    backbone: BackboneCard | None
    """None where the method needs no encoder. Where all weights are trained, what they were before;
    the model's own lie beside this file."""
    calibration: CalibrationCard | None = None
    """None: nothing was fitted, and probabilities are as the model gives them."""

    @model_validator(mode="after")
    def _of_one_model(self) -> Self:
        """Holds what stands here against each other.

        Raises:
            ValueError: no model is like this.
        """
        if len(set(self.labels)) < max(len(self.labels), 2):
            raise ValueError(f"labels are no two or more different names: {listed(self.labels)}")
        if self.positive is not None and not 0 <= self.positive < len(self.labels):
            raise ValueError(f"positive is {self.positive}, with {len(self.labels)} labels")
        if (self.backbone is None) != (self.method == "tfidf"):
            raise ValueError(
                f"{self.method} with{'out' if self.backbone is None else ''} an encoder"
            )
        return self


def write(folder: Path, card: ModelCard) -> None:
    """Writes `weft.json` into the folder."""
    (folder / FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> ModelCard:
    """Reads a folder's `weft.json`.

    Raises:
        AdapterError: there is none, it is newer than this weft, or it is damaged.
    """
    path = folder / FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        schema = raw["schema_version"]
        if type(schema) is not int or schema < 1:
            raise ValueError(f"schema_version is {schema!r}")
    except FileNotFoundError as error:
        raise AdapterError(
            f"{folder} holds no saved model: there is no {FILE}",
            remedy="name a folder that weft wrote (STUDY/runs/RUN/adapter), or STUDY:best",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise AdapterError(
            f"{path} cannot be read", found=str(error), remedy="save the model again"
        ) from error
    if schema > SCHEMA:
        raise AdapterError(
            f"{path} was written by a newer weft",
            found=f"schema {schema}; this weft reads up to {SCHEMA}",
            remedy="pip install --upgrade weft",
        )
    raw["schema_version"] = SCHEMA  # 1 is 2 without a calibration
    try:
        return ModelCard.model_validate(raw)
    except ValidationError as error:
        raise AdapterError(
            f"{path} is damaged",
            found="; ".join(_fault(item["loc"], item["msg"]) for item in error.errors()[:5]),
            remedy="save the model again",
        ) from error


def _fault(place: tuple[int | str, ...], said: str) -> str:
    where = ".".join(map(str, place))
    return f"{where}: {said}" if where else said.removeprefix("Value error, ")
