"""Loading a pretrained encoder, with the head that its architecture gives it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from weft.config import BackboneSettings
from weft.errors import AdapterError, BackboneError, ConfigError
from weft.machine import fast_bf16
from weft.nn.anatomy import encoder_name, head_modules, linear_layers
from weft.nn.attention import register
from weft.nn.fitness import max_length_of, refuse_tokenizer, refuse_weights
from weft.nn.mean import MeanClassifier
from weft.nn.source import Source

Precision = Literal["bf16", "float32", "float64"]
DTYPES: dict[str, torch.dtype] = {
    "bf16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}


@dataclass(frozen=True)
class Backbone:
    """A loaded encoder with its head, in float32 and not yet swapped for a bank."""

    source: Source
    model: PreTrainedModel | MeanClassifier
    tokenizer: PreTrainedTokenizerBase
    fresh: tuple[str, ...]
    """Modules that no checkpoint gave a weight, or that every run trains anew: the head."""
    precision: Precision
    max_length: int
    sha256: str

    @property
    def config(self) -> PretrainedConfig:
        """The encoder's configuration."""
        return self.model.config


def load(
    source: Source,
    settings: BackboneSettings,
    classes: int,
    head: tuple[str, ...] = (),
    *,
    whole: bool = False,
) -> Backbone:
    """Loads tokenizer, encoder and head; weights that the checkpoint lacks are the head's.

    Args:
        head: further modules that are trained whole, as a saved adapter names them.
        whole: whether it is a trained classifier, so that its head must come with weights.

    Raises:
        BackboneError: the encoder cannot be read, is incomplete, or has no fast tokenizer.
        AdapterError: `head` names modules that the model has not; or the head of a whole model has
            no weights, or is of another number of classes.
    """
    register()
    options: dict[str, Any] = {
        "use_safetensors": True,
        "output_loading_info": True,
        "dtype": torch.float32,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    mean = source.pooling == "mean"
    kind = cast("Any", AutoModel if mean else AutoModelForSequenceClassification)
    if not mean:
        options |= {"num_labels": classes, "ignore_mismatched_sizes": True}
    try:
        with _quiet(), _generator_kept():
            loaded, info = cast(
                "tuple[PreTrainedModel, dict[str, Any]]",
                kind.from_pretrained(source.folder, **options),
            )
    except Exception as error:  # whatever a damaged checkpoint brings transformers to
        raise _damaged(source, error) from error
    tokenizer = tokenizer_of(source, cast("nn.Module", loaded))
    refuse_weights(source.name, loaded, info)
    model: PreTrainedModel | MeanClassifier = loaded
    if mean:
        with _generator_kept():
            model = MeanClassifier(loaded, classes)
        missing: set[str] = {"classifier.weight"}
        missing |= {
            f"base.{key}" for key in info["missing_keys"] if not str(key).startswith("pooler")
        }
    else:
        missing = {str(key) for key in info["missing_keys"]}
        missing |= {str(key[0]) for key in info["mismatched_keys"]}
    if whole and not mean and (lost := sorted(missing & _of_head(loaded))):
        raise AdapterError(
            f"the model in {source.name} does not have the {classes} labels that it names",
            found=f"no weights of that shape for {', '.join(lost[:3])}",
            remedy="save the model again: its weights and its weft.json are not of one training",
        )
    strange = sorted(set(head) - set(linear_layers(model)))
    if strange:
        raise AdapterError(
            f"the adapter does not fit the backbone {source.name}",
            found=f"it brings weights for {', '.join(strange[:3])}, which this model has not",
            remedy="give the backbone that it was trained on with --backbone",
        )
    fresh = head_modules(model, {key.rpartition(".")[0] for key in missing} | set(head))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.eval()
    return Backbone(
        source=source,
        model=model,
        tokenizer=tokenizer,
        fresh=fresh,
        precision=choose_precision(settings.precision),
        max_length=max_length_of(source.name, model, tokenizer, settings.max_length),
        sha256=source.sha256,
    )


def tokenizer_of(source: Source, model: nn.Module) -> PreTrainedTokenizerBase:
    """The tokenizer of an encoder, which may be without weights.

    Raises:
        BackboneError: there is none that can be loaded and that serves this encoder.
    """
    try:
        with _quiet():
            found = cast("Any", AutoTokenizer).from_pretrained(
                source.folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # whatever a damaged file brings transformers to
        raise _damaged(source, error) from error
    refuse_tokenizer(source.name, found, model)
    return cast("PreTrainedTokenizerBase", found)


def _damaged(source: Source, error: Exception) -> BackboneError:
    return BackboneError(
        f"{source.name} cannot be loaded as a text encoder",
        found=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
        remedy="name a whole checkpoint of an encoder that transformers can load; fetch or "
        "save a damaged one again",
    )


@contextmanager
def _generator_kept() -> Generator[None]:
    """torch draws a fresh head from its global generator, though the bank draws it again."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


@contextmanager
def _quiet() -> Generator[None]:
    """Keeps transformers' own load report and bars off the screen: a fresh head is no news here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def choose_precision(wanted: str, device: str = "cpu") -> Precision:
    """`auto` becomes bf16 where this machine multiplies it faster, float32 elsewhere.

    Raises:
        ConfigError: there is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "torch finds no CUDA device",
            remedy="leave out --device cuda, or install a CUDA build of torch (docs/index.md)",
        )
    if wanted == "auto" and device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    if wanted == "auto":
        return "bf16" if fast_bf16() else "float32"
    return cast("Precision", wanted)


def _of_head(model: nn.Module) -> set[str]:
    """Names of the tensors that are not the encoder's."""
    inside = f"{encoder_name(model)}."
    return {name for name, _ in model.named_parameters() if not name.startswith(inside)}
