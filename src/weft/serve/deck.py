"""The adapters that a server has: those over one encoder, read alike, share a bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from weft.config import BackboneSettings
from weft.errors import AdapterError
from weft.evidence.calibration.temperature import apply
from weft.export import card
from weft.export.peft import SavedAdapter, read_adapter
from weft.methods.predictor import Predictor, frozen_bank, load_predictor, same_labels, same_weights
from weft.nn.backbone import load
from weft.nn.bank import Bank
from weft.nn.shapes import hull, usual_targets
from weft.nn.source import find
from weft.study.choice import MODEL, model_folder
from weft.text.packing import pack
from weft.text.tokens import Tokens, tokenize
from weft.training.inference import probabilities

Rows = NDArray[np.float64]  # (B, C)


@dataclass(frozen=True)
class Read:
    """Texts as an adapter takes them, ready to be computed."""

    texts: Sequence[str]
    tokens: Tokens | None
    """None where the adapter's method reads texts itself."""

    @property
    def sizes(self) -> list[int]:
        """Tokens of each text, or 1 where they are not counted."""
        return [1] * len(self.texts) if self.tokens is None else self.tokens.lengths.tolist()

    def take(self, begin: int, end: int) -> Read:
        """The texts from `begin` to before `end`."""
        tokens = None if self.tokens is None else self.tokens.take(np.arange(begin, end))
        return Read(self.texts[begin:end], tokens)


class Engine(Protocol):
    """What computes for one adapter or for several."""

    def read(self, texts: Sequence[str]) -> Read:
        """Tokenises; may run beside `compute`."""
        ...

    def compute(self, parts: Sequence[tuple[int, Read]]) -> list[Rows]:
        """Probabilities of each part, (B, C), given the adapter's place in the engine."""
        ...


@dataclass(frozen=True)
class Adapter:
    """One model that a server offers."""

    name: str
    card: card.ModelCard
    engine: Engine
    place: int
    """In its engine."""
    bank: Bank | None = None
    """That holds its encoder, perhaps for others too; None: it has none, or one to itself."""


@dataclass(frozen=True)
class Deck:
    """Adapters by name, in the order in which they were asked for."""

    adapters: dict[str, Adapter]

    @property
    def default(self) -> str:
        """What answers where a request names none: the first."""
        return next(iter(self.adapters))

    @property
    def encoders(self) -> int:
        """How many encoders are held in memory."""
        own = (one for one in self.adapters.values() if one.card.backbone is not None)
        return len({id(one.engine if one.bank is None else one.bank) for one in own})


def open_deck(models: Sequence[str], backbone: str | None = None) -> Deck:
    """Loads models, as `weft predict` names them; `NAME=MODEL` gives one a name of its own.

    Args:
        backbone: where their encoder is now, if not where they say.

    Raises:
        AdapterError: one cannot be loaded, or two have one name.
        StudyError: one names a study that is not there.
    """
    folders = _named(models)
    shared: dict[object, list[tuple[str, Path, card.ModelCard]]] = {}
    probes: list[tuple[str, Path, card.ModelCard]] = []
    found: dict[str, Adapter] = {}
    for name, folder in folders.items():
        saved = card.read(folder) if (folder / card.FILE).exists() else None
        if saved is not None and saved.method == "probe":
            probes.append((name, folder, saved))
            continue
        if saved is None or saved.method != "lora" or saved.backbone is None:
            predictor = load_predictor(folder, backbone)
            found[name] = Adapter(name, predictor.card, _Alone(predictor), 0)
            continue
        head = read_adapter(folder).head
        shared.setdefault((saved.backbone, head), []).append((name, folder, saved))
    banks: dict[card.BackboneCard | None, Bank] = {}
    for group in shared.values():
        own = group[0][2].backbone
        # a free slot is the frozen encoder, which probes read
        free = own not in banks and any(saved.backbone == own for *_, saved in probes)
        engine = _Together([(folder, saved) for _, folder, saved in group], backbone, free=free)
        if free:
            banks[own] = engine.bank
        for place, (name, _, saved) in enumerate(group):
            found[name] = Adapter(name, saved, engine, place, engine.bank)
    for name, folder, saved in probes:
        if saved.backbone not in banks:
            banks[saved.backbone] = frozen_bank(saved, folder, backbone)
        bank = banks[saved.backbone]
        predictor = load_predictor(folder, backbone, bank=bank)
        found[name] = Adapter(name, saved, _Alone(predictor), 0, bank)
    return Deck({name: found[name] for name in folders})


def _named(models: Sequence[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for given in models:
        label, equals, model = given.partition("=")
        if not equals or Path(given).exists():
            label, model = "", given
        folder = model_folder(model)
        name = label or _name_of(model, folder)
        if name in folders:
            raise AdapterError(
                f"two models are called {name}",
                found=f"{folders[name]} and {folder}",
                remedy="give one a name of its own: NAME=MODEL",
            )
        folders[name] = folder
    return folders


def _name_of(model: str, folder: Path) -> str:
    """A run's folder is called `adapter`: its run says more."""
    place = folder.resolve()
    return place.parent.name if place.name == MODEL or model.endswith(":best") else place.name


class _Alone:
    """A model of another method, or one that PEFT saved; all but probes have their encoder to
    themselves."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def read(self, texts: Sequence[str]) -> Read:
        return Read(texts, None)

    def compute(self, parts: Sequence[tuple[int, Read]]) -> list[Rows]:
        texts = [text for _, part in parts for text in part.texts]
        rows = self._predictor.probabilities(texts)
        ends = np.cumsum([len(part.texts) for _, part in parts])[:-1]
        return np.split(rows, ends)


class _Together:
    """LoRA adapters as slots of one bank; heads of fewer classes, and adapters of lower rank or
    fewer targets, are filled up with zeros, and what is above their classes is not read."""

    def __init__(
        self,
        models: Sequence[tuple[Path, card.ModelCard]],
        backbone: str | None,
        *,
        free: bool = False,
    ) -> None:
        first = models[0][1].backbone
        assert first is not None
        settings = BackboneSettings(
            name=backbone or first.name,
            revision=first.revision if backbone is None else None,
            pooling=first.pooling,
            max_length=first.max_length,
            precision=first.precision,
        )
        saved = [read_adapter(folder) for folder, _ in models]
        self._cards = [own for _, own in models]
        classes = max(adapter.classes for adapter in saved)
        source = find(settings)
        for (folder, own), adapter in zip(models, saved, strict=True):
            same_labels(own, adapter.classes, folder)
            same_weights(own, folder, source)
        loaded = load(source, settings, classes, saved[0].head)
        usual = usual_targets(cast("nn.Module", loaded.model))
        largest = hull([adapter.lora for adapter in saved], usual)
        self.bank = Bank(loaded, largest, len(saved) + free, trains=False)
        for slot, ((folder, _), adapter) in enumerate(zip(models, saved, strict=True)):
            self._put(slot, adapter, folder)

    def _put(self, slot: int, saved: SavedAdapter, folder: Path) -> None:
        bank = self.bank
        bank.adapt(slot, saved.lora)
        room = bank.state(slot)
        given = {
            name: _filled(tensor, room[name].shape) if name in room else None
            for name, tensor in saved.state.items()
        }
        if set(given) != set(room) or None in given.values():
            odd = sorted(set(saved.state) ^ set(room)) or sorted(given)
            raise AdapterError(
                f"{folder} does not fit the encoder {bank.backbone.source.name}",
                found=", ".join(odd[:3]),
                remedy="give the encoder that it was trained on with --backbone",
            )
        with torch.no_grad():
            bank.load_state(slot, cast("dict[str, Tensor]", given))

    def read(self, texts: Sequence[str]) -> Read:
        backbone = self.bank.backbone
        return Read(texts, tokenize(backbone.tokenizer, texts, None, backbone.max_length))

    def compute(self, parts: Sequence[tuple[int, Read]]) -> list[Rows]:
        bank = self.bank
        batches = [(slot, cast("Tokens", part.tokens)) for slot, part in parts]
        with torch.inference_mode():
            logits = bank(pack(batches, pad=bank.pad, form=bank.form)).double().numpy()
        ends = np.cumsum([len(part.texts) for _, part in parts])[:-1]
        return [
            self._calibrated(slot, rows)
            for (slot, _), rows in zip(parts, np.split(logits, ends), strict=True)
        ]

    def _calibrated(self, slot: int, logits: Rows) -> Rows:
        own = self._cards[slot]
        rows = probabilities(logits[:, : len(own.labels)])
        return rows if own.calibration is None else apply(rows, own.calibration.temperature)


def _filled(tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """The tensor with rows of zeros below, as many as the shape asks for; None: it does not fit."""
    if tensor.dim() != len(shape) or tensor.shape[1:] != shape[1:] or len(tensor) > shape[0]:
        return None
    room = torch.zeros(shape, dtype=tensor.dtype)
    room[: len(tensor)] = tensor
    return room
