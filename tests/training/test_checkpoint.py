"""A checkpoint is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from weft.training import checkpoint
from weft.training.checkpoint import save_checkpoint

from ..tiny import Checkpoint, bank, stir


def test_round_trip(checkpoint: Checkpoint, tmp_path: Path) -> None:
    ours = bank(checkpoint("bert"), 2)
    state = stir(ours, 1, seed=1)
    path = tmp_path / "new" / "run.safetensors"
    save_checkpoint(path, ours.state(1))
    read = load_file(path)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())
    assert [file.name for file in path.parent.iterdir()] == ["run.safetensors"]


def test_a_failed_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"weight": torch.ones(3)})

    def torn(_tensors: object, target: Path, **_: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_file", torn)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, {"weight": torch.zeros(3)})
    assert torch.equal(load_file(path)["weight"], torch.ones(3))
