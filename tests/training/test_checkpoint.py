"""A checkpoint is whole or not there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from weft.training import checkpoint
from weft.training.checkpoint import digest_of, load_snapshot, save_checkpoint, save_snapshot
from weft.training.snapshot import Snapshot

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

    def torn(target: Path, *_: object) -> None:
        target.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "_write", torn)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, {"weight": torch.zeros(3)})
    assert torch.equal(load_file(path)["weight"], torch.ones(3))


def test_the_library_reads_what_is_written_and_the_hash_is_the_files(tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    state = {
        "odd": torch.randn(3, 5, 7, generator=random),
        "a double": torch.randn(3, generator=random, dtype=torch.float64),
        "number": torch.tensor(4.0),
        "none": torch.zeros(0, 4),
        "whole": torch.arange(5),
        "turned": torch.randn(4, 6, generator=random).T,
    }
    path = tmp_path / "all.safetensors"
    digest = save_checkpoint(path, state, {"words": ["\u00e4", None, 1.5]})
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest() == digest_of(path)
    read = load_file(path)
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor), name
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "theirs")
    theirs = load_file(tmp_path / "theirs")
    assert all(torch.equal(read[name], theirs[name]) for name in state)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["format"] == "pt"


def test_a_snapshot_comes_back_and_anything_else_is_refused(tmp_path: Path) -> None:
    snapshot = Snapshot({"a": torch.ones(2)}, {"schema": 1, "loss": 0.1 + 0.2})
    path = tmp_path / "bank.safetensors"
    save_snapshot(path, snapshot)
    read = load_snapshot(path)
    assert read.words == snapshot.words
    assert torch.equal(read.tensors["a"], torch.ones(2))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="no snapshot"):
        load_snapshot(path)
    save_checkpoint(path, {"a": torch.ones(2)})
    with pytest.raises(ValueError, match="no snapshot"):
        load_snapshot(path)
    assert digest_of(tmp_path / "missing") is None


def test_a_file_is_on_the_disk_before_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def sync(handle: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112
        fsync(handle)

    def rename(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", rename)
    save_checkpoint(tmp_path / "run.safetensors", {"a": torch.ones(2)})
    assert order == ["file", "rename", "folder"]
