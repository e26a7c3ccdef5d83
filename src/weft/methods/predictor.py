"""A saved model, ready to predict, whatever method made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.config import BackboneSettings, LoraSettings
from weft.data.examples import Examples
from weft.errors import AdapterError
from weft.evidence.calibration.temperature import apply
from weft.export import card
from weft.export.bitfit import read_biases, restore_biases
from weft.export.merged import restore_head
from weft.export.peft import CONFIG, SavedAdapter, backbone_card, merge, read_adapter
from weft.methods import probe, tfidf
from weft.nn.backbone import Backbone, load
from weft.nn.bank import Bank
from weft.nn.shapes import Update
from weft.nn.source import find
from weft.text.tokens import tokenize
from weft.training.inference import Packed, logits_of, pooled_of, probabilities

Compute = Callable[[Examples], NDArray[np.float64]]


@dataclass(frozen=True)
class Predictor:
    """Gives probabilities for texts."""

    card: card.ModelCard
    _compute: Compute

    def probabilities(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, calibrated: bool = True
    ) -> NDArray[np.float64]:
        """(B, C), columns in the order of `card.labels`; no text at all gives no row.

        Args:
            calibrated: at the temperature saved with the model, where there is one; the most
                probable class is the same without.
        """
        if not texts:
            return np.zeros((0, len(self.card.labels)))
        second = None if pairs is None else tuple(pairs)
        labels = np.zeros(len(texts), dtype=np.int64)
        rows = self._compute(Examples(tuple(texts), second, labels))
        found = self.card.calibration
        return apply(rows, found.temperature) if calibrated and found is not None else rows


def load_predictor(folder: Path, backbone: str | None = None) -> Predictor:
    """Loads a model that weft saved, or a sequence classifier's adapter that PEFT saved.

    Args:
        folder: of the model.
        backbone: where its encoder is now, if not where the folder says.

    Raises:
        AdapterError: the folder holds no model, or it does not fit the backbone.
        BackboneError: its encoder cannot be had.
    """
    if not folder.is_dir():
        raise AdapterError(
            f"there is no folder {folder}",
            remedy="name a model's folder, or a study's: STUDY:best or STUDY:RUN",
        )
    if not (folder / card.FILE).exists() and (folder / CONFIG).exists():
        return _foreign(folder, backbone)
    saved = card.read(folder)
    if saved.method == "tfidf":
        vectoriser, linear = tfidf.read_model(folder)
        return Predictor(
            saved, lambda texts: linear.probabilities(vectoriser.transform(tfidf.documents(texts)))
        )
    assert saved.backbone is not None
    if saved.method == "full":
        return _whole(saved, folder, backbone)
    settings = BackboneSettings(
        name=backbone or saved.backbone.name,
        revision=saved.backbone.revision if backbone is None else None,
        pooling=saved.backbone.pooling,
        max_length=saved.backbone.max_length,
        precision=saved.backbone.precision,
    )
    if saved.method == "probe":
        bank = _bank(settings, len(saved.labels), LoraSettings())
        same_weights(saved, bank.backbone, folder)
        head = probe.read_head(folder)
        return Predictor(
            saved, lambda texts: head.probabilities(pooled_of(bank, 0, _packed(bank, texts)))
        )
    if saved.method == "bitfit":
        state, head = read_biases(folder)
        bank = _bank(settings, len(saved.labels), "biases", head)
        same_weights(saved, bank.backbone, folder)
        restore_biases(bank, state, str(folder))
        return _of_slot(saved, bank)
    adapter = read_adapter(folder)
    encoder = load(find(settings), settings, len(saved.labels), adapter.head)
    same_weights(saved, encoder, folder)
    return _of_adapter(saved, encoder, adapter, folder)


def _whole(saved: card.ModelCard, folder: Path, backbone: str | None) -> Predictor:
    """A model that brings its encoder with it."""
    assert saved.backbone is not None
    if backbone is not None:
        raise AdapterError(
            f"the model in {folder} is whole: its encoder was trained and lies in the same folder",
            found=f"another encoder, {backbone}",
            remedy="leave out --backbone",
        )
    settings = BackboneSettings(
        name=str(folder),
        pooling=saved.backbone.pooling,
        max_length=saved.backbone.max_length,
        precision=saved.backbone.precision,
    )
    bank = _bank(settings, len(saved.labels), "head")
    restore_head(bank, folder)
    return _of_slot(saved, bank)


def _foreign(folder: Path, backbone: str | None) -> Predictor:
    adapter = read_adapter(folder)
    name = backbone or adapter.base
    if not name:
        raise AdapterError(
            f"the adapter in {folder} does not say which encoder it belongs to",
            remedy="name it with --backbone",
        )
    settings = BackboneSettings(name=name, pooling="cls")
    encoder = load(find(settings), settings, adapter.classes, adapter.head)
    names = getattr(encoder.config, "id2label", {})
    labels = tuple(str(names.get(k, f"LABEL_{k}")) for k in range(adapter.classes))
    made = card.ModelCard(
        method="lora", labels=labels, positive=None, backbone=backbone_card(encoder)
    )
    return _of_adapter(made, encoder, adapter, folder)


def _of_adapter(
    saved: card.ModelCard, encoder: Backbone, adapter: SavedAdapter, folder: Path
) -> Predictor:
    head = merge(encoder, adapter, str(folder))
    bank = Bank(encoder, "head", slots=1, trains=False)
    bank.load_state(0, head)
    return _of_slot(saved, bank)


def _of_slot(saved: card.ModelCard, bank: Bank) -> Predictor:
    return Predictor(saved, lambda texts: probabilities(logits_of(bank, 0, _packed(bank, texts))))


def _bank(
    settings: BackboneSettings, classes: int, update: Update, head: tuple[str, ...] = ()
) -> Bank:
    backbone = load(find(settings), settings, classes, head)
    return Bank(backbone, update, slots=1, trains=False)


def _packed(bank: Bank, texts: Examples) -> Packed:
    backbone = bank.backbone
    tokens = tokenize(backbone.tokenizer, texts.texts, texts.pairs, backbone.max_length)
    return Packed.of(tokens, bank)


def same_weights(saved: card.ModelCard, backbone: Backbone, folder: Path) -> None:
    """Refuses an encoder that is not the one a model was trained on.

    Raises:
        AdapterError: its weights are others.
    """
    assert saved.backbone is not None
    if saved.backbone.sha256 != backbone.sha256:
        raise AdapterError(
            f"the model in {folder} was trained on other weights than those of "
            f"{backbone.source.name}",
            found=f"sha256 {backbone.sha256[:12]}; trained on {saved.backbone.sha256[:12]}",
            remedy="give the encoder that it was trained on with --backbone",
        )
