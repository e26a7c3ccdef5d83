"""Full fine-tuning: every weight of the encoder and the head, one run after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from weft.export.merged import save_whole
from weft.methods import banked
from weft.methods.base import NOTHING, Before, Item, Materials, MethodEvent
from weft.nn.bank import Bank
from weft.training.slots import Job


class Full:
    """Trains the items one by one: they share no weight, so together nothing is gained."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials

    def run(self, items: Sequence[Item], before: Before = NOTHING) -> Iterator[MethodEvent]:
        """Each run begins at the checkpoint's weights."""
        materials = self._materials
        device = materials.config.bank.device
        bank = Bank(materials.backbone(), "all", slots=1, device=device)
        yield from banked.run(materials, bank, items, self._job, self._save, {}, before.snapshot)

    def _job(self, item: Item) -> Job:
        config = item.config or self._materials.config
        own = {"learning_rate": config.full.learning_rate}
        return banked.job(self._materials, "full", config.recipe.model_copy(update=own), item)

    def _save(self, bank: Bank, state: Mapping[str, Tensor], folder: Path) -> None:
        save_whole(folder, bank.backbone, state, self._materials.labels)
        banked.write_card(self._materials, "full", bank, folder)
