"""LoRA: all runs through one bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from weft.export import card
from weft.export.peft import backbone_card, save_adapter
from weft.methods.base import Done, Item, Materials, MethodEvent
from weft.nn.bank import Bank
from weft.randomness import seed_for
from weft.training.events import RunEnd
from weft.training.inference import Packed
from weft.training.loop import Judges, train
from weft.training.slots import Job


class Lora:
    """Trains the items' adapters together, as many at once as the bank has slots."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials

    def run(self, items: Sequence[Item]) -> Iterator[MethodEvent]:
        """Largest training sets first, so that the long runs do not end up alone."""
        materials = self._materials
        config = materials.config
        splits = materials.splits
        slots = min(config.bank.slots, len(items))
        bank = Bank(materials.backbone(), config.lora, slots, device=config.bank.device)
        judges = Judges(
            Packed.of(materials.validation, bank),
            splits.validation.labels,
            Packed.of(materials.test, bank),
        )
        jobs = (self._job(item) for item in sorted(items, key=lambda i: (-i.size, i.seed)))
        for event in train(bank, jobs, judges, config.bank):
            yield self._done(bank, event) if isinstance(event, RunEnd) else event

    def _job(self, item: Item) -> Job:
        materials = self._materials
        index = materials.splits.order(item.seed)[: item.size]
        return Job(
            run_id=item.run_id,
            seed=seed_for("lora", materials.splits.name, item.size, item.seed),
            tokens=materials.pool.part(index),
            labels=materials.splits.pool.labels[index],
            recipe=materials.config.recipe,
        )

    def _done(self, bank: Bank, end: RunEnd) -> Done:
        return Done(
            run_id=end.run_id,
            validation=end.validation,
            test=end.test,
            trainable=bank.trainable,
            total=bank.total,
            epochs=end.epochs,
            best_epoch=end.best_epoch,
            seconds=end.seconds,
            examples_per_second=end.examples_per_second,
            save=partial(self._save, bank, end.state),
            extra={"peft_total": bank.peft_total},
        )

    def _save(self, bank: Bank, state: Mapping[str, Tensor], folder: Path) -> None:
        save_adapter(folder, bank, state)
        materials = self._materials
        card.write(
            folder,
            card.ModelCard(
                method="lora",
                labels=materials.labels,
                positive=materials.positive,
                backbone=backbone_card(bank.backbone),
            ),
        )
