"""What all rows share: the texts, the encoders, and a folder to work in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from measure.pace import CLASSES, Pace
from weft.config import DataSettings
from weft.data.examples import Examples, LabelledText
from weft.data.sources import load
from weft.data.splits import Splits, split
from weft.nn.source import packaged
from weft.study.presets import SST2


@dataclass(frozen=True)
class Bench:
    """One call of the benchmark."""

    data: Path
    """Folder of GLUE's SST-2 TSVs."""
    scratch: Path
    """A folder for models and studies; the caller's to delete."""
    pace: Pace
    repeats: int
    study_sizes: tuple[int, ...]
    peer_sizes: tuple[int, ...]
    """Those that the peer really trains, one seed of each, which counts for all."""

    @cached_property
    def _settings(self) -> DataSettings:
        preset = DataSettings.model_validate(SST2["data"])
        return preset.model_copy(update={"folder": str(self.data)})

    @cached_property
    def _labelled(self) -> LabelledText:
        return load(self._settings)

    @property
    def hashes(self) -> dict[str, str]:
        """sha256 of the data's files."""
        return self._labelled.hashes

    @cached_property
    def splits(self) -> Splits:
        """SST-2 as weft's study splits it, so that every side sees the same texts."""
        return split(self._labelled, self._settings, [self.pace.pool])

    @cached_property
    def training(self) -> Examples:
        """What training batches are drawn from."""
        return self.splits.train(self.pace.pool, 0)

    @cached_property
    def unseen(self) -> tuple[str, ...]:
        """Texts to predict, none of which trained the adapter that predicts them."""
        order = self.splits.order(0)[self.pace.pool :][: self.pace.texts]
        return self.splits.pool.take(order).texts

    def weft_name(self, backbone: str) -> str:
        """The backbone as weft is told it."""
        return "minilm" if backbone == "minilm" else str(self.folder(backbone))

    def folder(self, backbone: str) -> Path:
        """The backbone's files: `minilm` is packaged, `bert` is drawn at random when first asked
        for."""
        return packaged() if backbone == "minilm" else self._bert

    @cached_property
    def _bert(self) -> Path:
        return random_bert(self.scratch / "bert")


def random_bert(folder: Path, **smaller: int) -> Path:
    """The architecture of bert-base-uncased with random weights, and MiniLM's tokenizer, whose
    vocabulary is the same.

    Args:
        smaller: settings of `BertConfig` that make another shape of it.
    """
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(packaged())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertForSequenceClassification(BertConfig(num_labels=CLASSES, **smaller))
    assert len(tokenizer) == model.config.vocab_size
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
