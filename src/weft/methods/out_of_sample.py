"""K-fold: probabilities of every example, each from a model that did not train on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from weft.data.sampling import rank_within_class
from weft.errors import TrainingError
from weft.methods import banked
from weft.methods.base import Materials, Probabilities
from weft.methods.probe import features, fit_head
from weft.nn.bank import Bank
from weft.randomness import generator_for, seed_for
from weft.training.events import RunEnd, RunFailed, Settled
from weft.training.inference import Packed, logits_of, probabilities
from weft.training.kept import Kept
from weft.training.loop import train
from weft.training.slots import Job

Folded = Literal["lora", "probe"]


def folds_of(labels: NDArray[np.int64], folds: int, name: str) -> NDArray[np.int64]:
    """(B,) fold of each example; each holds as many of a class as any other, to within one.

    Args:
        labels: (B,) class of each example.
        name: the data set's; the draw depends on it.
    """
    shuffled = generator_for("folds", name).permutation(len(labels))
    fold = np.empty(len(labels), np.int64)
    fold[shuffled] = rank_within_class(labels[shuffled]) % folds
    return fold


def out_of_sample(
    method: Folded,
    materials: Materials,
    folds: int,
    watch: Callable[[object], None],
    kept: Kept | None = None,
) -> Probabilities:
    """(B, C) of the whole pool of the materials, by K models that each leave one fold out.

    The validation set selects as in a study: the epoch of an adapter, the C of a probe. It is no
    part of any fold.

    Args:
        folds: K, from 2 to the size of the pool.
        watch: told of the training events.
        kept: where adapters go on from, and leave their state; None: they begin anew.

    Raises:
        TrainingError: a run broke, so that its fold has no probabilities.
    """
    labels = materials.splits.pool.labels
    fold = folds_of(labels, folds, materials.splits.name)
    found = np.zeros((len(labels), len(materials.labels)))
    if method == "lora":
        each = _by_lora(materials, fold, watch, kept)
    else:
        each = _by_probe(materials, fold)
    for number, rows in each.items():
        found[fold == number] = rows
    return found


def _by_lora(
    materials: Materials,
    fold: NDArray[np.int64],
    watch: Callable[[object], None],
    kept: Kept | None,
) -> dict[int, Probabilities]:
    """All folds train in one bank; what each leaves out is read when the last one has ended."""
    config, splits = materials.config, materials.splits
    numbers = np.unique(fold).tolist()
    bank = Bank(materials.backbone(), config.lora, len(numbers), device=config.bank.device)
    jobs: list[Job] = []
    for number in numbers:
        index = np.flatnonzero(fold != number)
        seed = seed_for("fold", splits.name, len(fold), number)
        tokens, labels = materials.pool.part(index), splits.pool.labels[index]
        jobs.append(Job(f"fold {number + 1}", seed, tokens, labels, config.recipe))
    since, before = (None, {}) if kept is None else kept.load()
    states: dict[str, Mapping[str, Tensor]] = {**before}
    for event in train(bank, jobs, banked.judges(materials, bank), config.bank, since):
        if isinstance(event, RunFailed):
            raise TrainingError(
                f"{event.run_id} of {len(numbers)} could not be trained.",
                found=event.reason,
                remedy="lower --learning-rate, or use --precision float32",
            )
        if isinstance(event, RunEnd):
            states[event.run_id] = event.state
        watch(event)
        if isinstance(event, Settled) and kept is not None:
            kept.settle(event, states)
    found: dict[int, Probabilities] = {}
    for number, job in zip(numbers, jobs, strict=True):
        # one slot after the other: while others train, theirs must not be written to
        bank.load_state(0, states[job.run_id])
        held_out = Packed.of(materials.pool.take(np.flatnonzero(fold == number)), bank)
        found[number] = probabilities(logits_of(bank, 0, held_out))
    return found


def _by_probe(materials: Materials, fold: NDArray[np.int64]) -> dict[int, Probabilities]:
    """Features are computed once; a logistic regression is fitted for each fold."""
    config = materials.config
    device = config.bank.device
    bank = Bank(materials.backbone(), config.lora, 1, device=device, trains=False)
    validation = features(bank, materials.validation)
    pool = features(bank, materials.pool.take(np.arange(len(fold))))
    found: dict[int, Probabilities] = {}
    for number in np.unique(fold).tolist():
        inside = np.flatnonzero(fold != number)
        head = fit_head(materials, pool[inside], inside, validation)
        found[number] = head.probabilities(pool[fold == number])
    return found
