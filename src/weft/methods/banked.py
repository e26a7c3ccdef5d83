"""What methods that train through a bank have in common: items in, jobs, ends out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from weft.config import BankSettings, Recipe
from weft.export import card
from weft.export.peft import backbone_card
from weft.methods.base import Before, Done, Item, Materials, MethodEvent
from weft.nn.bank import Bank
from weft.randomness import seed_for
from weft.training.events import RunEnd
from weft.training.inference import Packed
from weft.training.loop import train
from weft.training.slots import Job, Judges
from weft.training.snapshot import Snapshot

Save = Callable[[Bank, Mapping[str, Tensor], Path], None]
"""Writes a run's tensors, as `Bank.state` names them, into an existing folder."""


def run(
    materials: Materials,
    bank: Bank,
    items: Sequence[Item],
    job_of: Callable[[Item], Job],
    save: Save,
    extra: Mapping[str, Any],
    since: Snapshot | None = None,
) -> Iterator[MethodEvent]:
    """Trains the items, as many at once as the bank has slots.

    Largest training sets first, so that the long runs do not end up alone; from a snapshot on, in
    the order that it holds.
    """
    jobs = (job_of(item) for item in sorted(items, key=lambda i: (-i.size, i.seed)))
    for event in train(bank, jobs, judges(materials, bank), materials.config.bank, since):
        yield done(bank, event, save, extra) if isinstance(event, RunEnd) else event


def judges(materials: Materials, bank: Bank) -> Judges:
    """The examples that select and those that test, as the bank reads them."""
    return Judges(
        Packed.of(materials.validation, bank),
        materials.splits.validation.labels,
        Packed.of(materials.test, bank),
        materials.splits.validation.weights,
    )


def slots(settings: BankSettings, items: Sequence[Item], before: Before) -> int:
    """How many slots the bank gets; to go on, as many as it had: what is grouped depends on it."""
    if before.snapshot is not None:
        return before.snapshot.slots
    return min(before.slots or settings.slots, len(items))


def job(materials: Materials, method: str, recipe: Recipe, item: Item) -> Job:
    """An item ready to train; what it draws depends on method, split, size and seed."""
    index = materials.splits.order(item.seed)[: item.size]
    weights = materials.splits.pool.weights
    return Job(
        run_id=item.run_id,
        seed=seed_for(method, materials.splits.name, item.size, item.seed),
        tokens=materials.pool.part(index),
        labels=materials.splits.pool.labels[index],
        recipe=recipe,
        weights=None if weights is None else weights[index],
        length=None if item.found is None else item.found.length,
    )


def write_card(materials: Materials, method: card.Method, bank: Bank, folder: Path) -> None:
    """Writes the `weft.json` of a model that a bank trained."""
    card.write(
        folder,
        card.ModelCard(
            method=method,
            labels=materials.labels,
            positive=materials.positive,
            backbone=backbone_card(bank.backbone),
        ),
    )


def done(bank: Bank, end: RunEnd, save: Save, extra: Mapping[str, Any]) -> Done:
    """A run's end as every method tells it; what a slot trains may be less than the bank can."""
    trainable = sum(tensor.numel() for tensor in end.state.values())
    return Done(
        run_id=end.run_id,
        validation=end.validation,
        held_out=end.held_out,
        test=end.test,
        trainable=trainable,
        total=bank.total - bank.trainable + trainable,
        epochs=end.epochs,
        best_epoch=end.best_epoch,
        seconds=end.seconds,
        examples_per_second=end.examples_per_second,
        save=partial(save, bank, end.state),
        extra=dict(extra),
    )
