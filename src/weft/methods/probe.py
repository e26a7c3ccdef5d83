"""Linear probe: logistic regression on the frozen encoder's pooled features."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
    save_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
)

from weft.errors import AdapterError
from weft.export import card
from weft.export.peft import backbone_card
from weft.methods.base import NOTHING, Before, Done, Item, Materials, MethodEvent
from weft.methods.logistic import GRID, Fit, Linear, choose, linear_of, penalties
from weft.nn.backbone import Backbone
from weft.nn.bank import Bank
from weft.text.tokens import Tokens
from weft.training.events import RunBegin
from weft.training.inference import Packed, pooled_of

WEIGHTS = "probe.safetensors"


class Probe:
    """Computes features once for all items, then fits each."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials

    def run(self, items: Sequence[Item], before: Before = NOTHING) -> Iterator[MethodEvent]:
        """C is chosen by validation loss."""
        materials, splits = self._materials, self._materials.splits
        config = materials.config
        device = config.bank.device
        bank = Bank(materials.backbone(), config.lora, slots=1, device=device, trains=False)
        shared = _Computed(bank)
        validation = shared.features(materials.validation)
        test = shared.features(materials.test)
        used = {item: splits.order(item.seed)[: item.size] for item in (*before.made, *items)}
        exact = materials.config.bank.exact
        pool = np.zeros((len(splits.pool), validation.shape[1]), dtype=np.float32)
        if not exact:
            wanted = np.unique(np.concatenate(list(used.values())))
            pool[wanted] = shared.features(materials.pool.take(wanted))
        for item in items:
            yield RunBegin(item.run_id)
            index = used[item]
            began = time.perf_counter()
            # exact: in the shapes that this item has alone, whatever the others are
            train = features(bank, materials.pool.take(index)) if exact else pool[index]
            head = fit_head(materials, train, index, validation, penalties(item))
            seconds = time.perf_counter() - began
            yield Done(
                run_id=item.run_id,
                validation=head.probabilities(validation),
                held_out=head.held_out,
                test=head.probabilities(test),
                trainable=head.parameters,
                total=bank.total - bank.trainable + head.parameters,
                epochs=0,
                best_epoch=0,
                seconds=seconds,
                examples_per_second=item.size / seconds,
                save=partial(self._save, bank.backbone, head),
                extra={
                    **head.facts,
                    "pooling": bank.backbone.source.pooling,
                    "features_seconds": shared.seconds,
                    "features_texts": shared.texts,
                },
            )

    def _save(self, backbone: Backbone, head: Linear, folder: Path) -> None:
        tensors = {"weight": head.weight.astype(np.float32), "bias": head.bias.astype(np.float32)}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "np"})
        cast("Any", backbone.tokenizer).save_pretrained(str(folder))
        materials = self._materials
        card.write(
            folder,
            card.ModelCard(
                method="probe",
                labels=materials.labels,
                positive=materials.positive,
                backbone=backbone_card(backbone),
            ),
        )


class _Computed:
    """Features that all items share, and what they took: no item's seconds hold it."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.seconds, self.texts = 0.0, 0

    def features(self, tokens: Tokens) -> NDArray[np.float32]:
        """As the function of that name."""
        began = time.perf_counter()
        found = features(self._bank, tokens)
        self.seconds += time.perf_counter() - began
        self.texts += len(tokens)
        return found


def fit_head(
    materials: Materials,
    train: NDArray[np.float32],
    index: NDArray[np.int64],
    validation: NDArray[np.float32],
    grid: Sequence[float] = GRID,
) -> Fit:
    """A head that reads raw features, fitted on standardised ones; C is chosen on validation.

    Args:
        train: (B, H) features.
        index: (B,) their places in the pool, which has their classes and weights.
        validation: (V, H) features of the examples that select.
        grid: the Cs tried.
    """
    pool, judges = materials.splits.pool, materials.splits.validation
    center, scale = train.mean(0), train.std(0) + 1e-6
    fit = choose(
        (train - center) / scale,
        pool.labels[index],
        (validation - center) / scale,
        judges.labels,
        len(materials.labels),
        grid,
        weights=None if pool.weights is None else pool.weights[index],
        validation_weights=judges.weights,
    )
    weight = fit.weight / scale  # the standardisation is folded in
    return replace(fit, weight=weight, bias=fit.bias - weight @ center)


def features(bank: Bank, tokens: Tokens) -> NDArray[np.float32]:
    """Pooled features of a bank whose slot 0 holds no update, (B, H)."""
    return pooled_of(bank, 0, Packed.of(tokens, bank)).astype(np.float32)


def read_head(folder: Path) -> Linear:
    """The probe saved in a folder.

    Raises:
        AdapterError: its file is missing or damaged.
    """
    try:
        return linear_of(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise AdapterError(
            f"the probe in {folder} is damaged", found=str(error), remedy="train it again"
        ) from error
