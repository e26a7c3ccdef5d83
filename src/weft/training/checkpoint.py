"""Tensors and words on disk, whole or not at all, and known again by their hash.

The files are safetensors, which the library reads. They are written here, one tensor after the
other: so they are hashed on the way, and no second copy of them is held in memory, which would
count as memory that training takes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from weft.training.durable import gone_if_it_fails, make_folders, put_in_place
from weft.training.snapshot import Snapshot

_KINDS = {torch.float64: "F64", torch.int64: "I64", torch.float32: "F32"}
"""What is written, and in this order: so each begins where a number of its width may."""
_WORDS = "weft"


def save_checkpoint(path: Path, state: Mapping[str, Tensor], words: Any = None) -> str:
    """Writes tensors under a temporary name, then puts them in place.

    Args:
        state: tensors of float64, int64 or float32, of any shape; on the disk on return.
        words: JSON that lies beside them; None: nothing.

    Returns:
        The file's sha256.
    """
    make_folders(path.parent)
    temporary = path.with_suffix(".part")
    metadata = {"format": "pt"} | ({} if words is None else {_WORDS: json.dumps(words)})
    with gone_if_it_fails(temporary):
        digest = _write(temporary, state, metadata)
        put_in_place(temporary, path)
    return digest


def save_snapshot(path: Path, snapshot: Snapshot) -> str:
    """`save_checkpoint` of a bank's whole training state; returns the file's sha256."""
    return save_checkpoint(path, snapshot.tensors, snapshot.words)


def digest_of(path: Path) -> str | None:
    """A file's sha256; None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def load_snapshot(path: Path) -> Snapshot:
    """What `save_snapshot` wrote.

    Raises:
        ValueError: the file is none of those.
    """
    try:
        with cast("Any", safe_open)(path, framework="pt") as file:
            words = json.loads(file.metadata()[_WORDS])
            # copies: what is mapped would change with the file, and lies as the file does
            tensors = {str(name): file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no snapshot: {error}") from error
    return Snapshot(tensors, words)


def _write(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """The format: the header's length in 8 bytes, the header, the tensors' bytes end to end."""
    places = {kind: place for place, kind in enumerate(_KINDS)}
    order = sorted(state, key=lambda name: (places[state[name].dtype], name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        tensor = state[name]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _KINDS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in (len(text).to_bytes(8, "little"), text):
            file.write(part)
            digest.update(part)
        for name in order:
            array = state[name].detach().cpu().contiguous().reshape(-1).numpy()
            data = array.astype(array.dtype.newbyteorder("<"), copy=False).data
            file.write(data)
            digest.update(data)
    return digest.hexdigest()
