"""A saved model, ready to predict, whatever method made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from weft.config import BackboneSettings, LoraSettings
from weft.data.examples import Examples
from weft.data.nearby import nearest_path
from weft.errors import AdapterError, listed
from weft.evidence.calibration.temperature import apply
from weft.export import card
from weft.export.bitfit import read_biases, restore_biases
from weft.export.merged import restore_head
from weft.export.peft import CONFIG, SavedAdapter, backbone_card, merge, read_adapter
from weft.methods import probe, tfidf
from weft.methods.logistic import Linear
from weft.nn.backbone import Backbone, load
from weft.nn.bank import Bank
from weft.nn.shapes import Update
from weft.nn.source import Source, find, is_folder
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


def load_predictor(
    folder: Path, backbone: str | None = None, *, bank: Bank | None = None
) -> Predictor:
    """Loads a model that weft saved, or a sequence classifier's adapter that PEFT saved.

    Args:
        folder: of the model.
        backbone: where its encoder is now, if not where the folder says.
        bank: of a probe: its encoder, loaded before; in its last slot nothing was trained.

    Raises:
        AdapterError: the folder holds no model, or it does not fit the backbone.
        BackboneError: its encoder cannot be had.
    """
    if not is_folder(str(folder)):
        raise AdapterError(
            f"there is no folder {str(folder)[:200]}",
            remedy="name a model's folder, or a study's: STUDY:best or STUDY:RUN"
            f"{nearest_path(str(folder))}",
        )
    if not (folder / card.FILE).exists() and (folder / CONFIG).exists():
        return _foreign(folder, backbone)
    saved = card.read(folder)
    if saved.method == "tfidf":
        vectoriser, linear = tfidf.read_model(folder)
        same_labels(saved, len(linear.weight), folder)
        return Predictor(
            saved, lambda texts: linear.probabilities(vectoriser.transform(tfidf.documents(texts)))
        )
    assert saved.backbone is not None
    if saved.method == "full":
        return _whole(saved, folder, backbone)
    settings = _settings(saved, backbone)
    if saved.method == "probe":
        head = probe.read_head(folder)
        same_labels(saved, len(head.weight), folder)
        if bank is None:
            bank = frozen_bank(saved, folder, backbone)
        hidden = int(cast("Any", bank.backbone.config).hidden_size)
        if head.weight.shape[1] != hidden:
            raise AdapterError(
                f"the probe in {folder} does not fit the backbone {bank.backbone.source.name}",
                found=f"{head.weight.shape[1]} features; the encoder has {hidden}",
                remedy="give the backbone that it was trained on with --backbone",
            )
        return _of_features(saved, bank, head)
    if saved.method == "bitfit":
        state, head = read_biases(folder)
        bank = _bank(settings, len(saved.labels), "biases", head, own=(saved, folder))
        restore_biases(bank, state, str(folder))
        return _of_slot(saved, bank)
    adapter = read_adapter(folder)
    same_labels(saved, adapter.classes, folder)
    encoder = _encoder(settings, len(saved.labels), adapter.head, own=(saved, folder))
    return _of_adapter(saved, encoder, adapter, folder)


def frozen_bank(saved: card.ModelCard, folder: Path, backbone: str | None = None) -> Bank:
    """What a probe reads: its encoder, in whose one slot nothing was trained.

    Raises:
        AdapterError: its weights are not those that the probe was trained on.
        BackboneError: its encoder cannot be had.
    """
    settings = _settings(saved, backbone)
    return _bank(settings, len(saved.labels), LoraSettings(), own=(saved, folder))


def _settings(saved: card.ModelCard, backbone: str | None) -> BackboneSettings:
    assert saved.backbone is not None
    return BackboneSettings(
        name=backbone or saved.backbone.name,
        revision=saved.backbone.revision if backbone is None else None,
        pooling=saved.backbone.pooling,
        max_length=saved.backbone.max_length,
        precision=saved.backbone.precision,
    )


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
    bank = _bank(settings, len(saved.labels), "head", whole=True)
    restore_head(bank, folder)
    return _of_slot(saved, bank)


def _foreign(folder: Path, backbone: str | None) -> Predictor:
    adapter = read_adapter(folder)
    name = backbone or adapter.base
    if backbone is None and ".." in PurePath(name).parts:
        raise AdapterError(
            f"the adapter in {folder} names an encoder outside of any folder that it may know",
            found=name[:200],
            remedy="name its encoder with --backbone",
        )
    if not name:
        raise AdapterError(
            f"the adapter in {folder} does not say which encoder it belongs to",
            remedy="name it with --backbone",
        )
    settings = BackboneSettings(name=name, pooling="cls")
    encoder = load(find(settings), settings, adapter.classes, adapter.head)
    names = cast("dict[object, object]", getattr(encoder.config, "id2label", None) or {})
    labels = tuple(str(names.get(k, f"LABEL_{k}")) for k in range(adapter.classes))
    try:
        made = card.ModelCard(
            method="lora", labels=labels, positive=None, backbone=backbone_card(encoder)
        )
    except ValidationError as error:
        raise AdapterError(
            f"the labels of {encoder.source.name} do not fit the adapter in {folder}",
            found=listed(labels, 6),
            remedy="mend id2label in the encoder's config.json, one name a class",
        ) from error
    return _of_adapter(made, encoder, adapter, folder)


def _of_adapter(
    saved: card.ModelCard, encoder: Backbone, adapter: SavedAdapter, folder: Path
) -> Predictor:
    head = merge(encoder, adapter, str(folder))
    bank = Bank(encoder, "head", slots=1, trains=False)
    bank.load_state(0, head)
    return _of_slot(saved, bank)


def _of_features(saved: card.ModelCard, bank: Bank, head: Linear) -> Predictor:
    slot = bank.slots - 1
    return Predictor(
        saved, lambda texts: head.probabilities(pooled_of(bank, slot, _packed(bank, texts)))
    )


def _of_slot(saved: card.ModelCard, bank: Bank) -> Predictor:
    return Predictor(saved, lambda texts: probabilities(logits_of(bank, 0, _packed(bank, texts))))


def _bank(
    settings: BackboneSettings,
    classes: int,
    update: Update,
    head: tuple[str, ...] = (),
    *,
    own: tuple[card.ModelCard, Path] | None = None,
    whole: bool = False,
) -> Bank:
    """A bank of one slot over the encoder that the settings name; see `_encoder`."""
    encoder = _encoder(settings, classes, head, own=own, whole=whole)
    return Bank(encoder, update, slots=1, trains=False)


def _encoder(
    settings: BackboneSettings,
    classes: int,
    head: tuple[str, ...],
    *,
    own: tuple[card.ModelCard, Path] | None,
    whole: bool = False,
) -> Backbone:
    """The encoder that the settings name.

    Args:
        own: card and folder of the model, whose encoder this must be.
        whole: whether the encoder's folder holds a trained head.
    """
    source = find(settings)
    if own is not None:
        same_weights(*own, source)  # before anything of it is loaded
    return load(source, settings, classes, head, whole=whole)


def _packed(bank: Bank, texts: Examples) -> Packed:
    backbone = bank.backbone
    tokens = tokenize(backbone.tokenizer, texts.texts, texts.pairs, backbone.max_length)
    return Packed.of(tokens, bank)


def same_labels(saved: card.ModelCard, classes: int, folder: Path) -> None:
    """Refuses a model whose weights tell another number of classes apart than its card names.

    Raises:
        AdapterError: they do.
    """
    if len(saved.labels) != classes:
        raise AdapterError(
            f"the model in {folder} has other labels than its weights",
            found=f"{len(saved.labels)} labels, {listed(saved.labels, 6)}; weights for {classes}",
            remedy="save the model again: its weights and its weft.json are not of one training",
        )


def same_weights(saved: card.ModelCard, folder: Path, source: Source) -> None:
    """Refuses an encoder that is not the one a model was trained on.

    Raises:
        AdapterError: its weights are others.
    """
    assert saved.backbone is not None
    if saved.backbone.sha256 != source.sha256:
        raise AdapterError(
            f"the model in {folder} was trained on other weights than those of {source.name}",
            found=f"sha256 {source.sha256[:12]}; trained on {saved.backbone.sha256[:12]}",
            remedy="give the encoder that it was trained on with --backbone",
        )
