"""LoRA: all runs through one bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from weft.export.peft import save_adapter
from weft.methods import banked
from weft.methods.base import NOTHING, Before, Item, Materials, MethodEvent
from weft.nn.bank import Bank
from weft.training.slots import Job


class Lora:
    """Trains the items' adapters together, as many at once as the bank has slots."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials

    def run(self, items: Sequence[Item], before: Before = NOTHING) -> Iterator[MethodEvent]:
        """Each adapter is saved as PEFT saves it."""
        materials, config = self._materials, self._materials.settings(items)
        slots = banked.slots(config.bank, items, before)
        bank = Bank(materials.backbone(), config.lora, slots, device=config.bank.device)
        extra = {"peft_total": bank.peft_total}
        yield from banked.run(materials, bank, items, self._job, self._save, extra, before.snapshot)

    def _job(self, item: Item) -> Job:
        config = item.config or self._materials.config
        return banked.job(self._materials, "lora", config.recipe, item)

    def _save(self, bank: Bank, state: Mapping[str, Tensor], folder: Path) -> None:
        save_adapter(folder, bank, state)
        banked.write_card(self._materials, "lora", bank, folder)
