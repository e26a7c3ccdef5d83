"""BitFit: the encoder's biases and the head, all runs through one bank.

Elad Ben Zaken, Shauli Ravfogel and Yoav Goldberg, BitFit: Simple Parameter-efficient Fine-tuning
for Transformer-based Masked Language-models (2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from weft.export.bitfit import save_biases
from weft.methods import banked
from weft.methods.base import NOTHING, Before, Item, Materials, MethodEvent
from weft.nn.bank import Bank
from weft.training.slots import Job


class Bitfit:
    """Trains the items' biases together, as many at once as the bank has slots."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials

    def run(self, items: Sequence[Item], before: Before = NOTHING) -> Iterator[MethodEvent]:
        """Biases begin as the checkpoint's."""
        materials, settings = self._materials, self._materials.config.bank
        slots = banked.slots(settings, items, before)
        bank = Bank(materials.backbone(), "biases", slots, device=settings.device)
        yield from banked.run(materials, bank, items, self._job, self._save, {}, before.snapshot)

    def _job(self, item: Item) -> Job:
        config = item.config or self._materials.config
        own = {"learning_rate": config.bitfit.learning_rate}
        return banked.job(self._materials, "bitfit", config.recipe.model_copy(update=own), item)

    def _save(self, bank: Bank, state: Mapping[str, Tensor], folder: Path) -> None:
        save_biases(folder, bank, state)
        banked.write_card(self._materials, "bitfit", bank, folder)
