"""A slot's side of training: one run's data order, optimiser, schedule and early stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.config import LoraSettings, Recipe
from weft.evidence.calibration.held_out import HeldOut
from weft.nn.bank import Bank
from weft.nn.dropout import Key, Stream, stream_for
from weft.randomness import generator_for, seed_for
from weft.text.tokens import Ints, Part, Tokens
from weft.training.inference import Packed
from weft.training.resident import Resident
from weft.training.stacked import Decay, Share, Stacked


@dataclass(frozen=True)
class Judges:
    """What selects and what tests."""

    validation: Packed
    validation_labels: Ints  # (V,)
    test: Packed
    validation_weights: NDArray[np.float64] | None = None  # (V,), of the loss that selects


@dataclass(frozen=True)
class Length:
    """How long a run trains where nothing selects: to its last step, whose weights it keeps."""

    steps: int
    """Optimiser steps."""
    horizon: int
    """Steps after which the learning rate would be 0; at least `steps`."""


@dataclass(frozen=True)
class Job:
    """One run, ready to train."""

    run_id: str
    seed: int
    """Decides initial weights, batches and dropout."""
    tokens: Tokens | Part
    labels: Ints  # (B,) class of each example
    recipe: Recipe
    weights: NDArray[np.float64] | None = None  # (B,) of each example's loss; None: all 1
    judges: Judges | None = None
    """Its own, where runs of one bank are judged on different examples."""
    lora: LoraSettings | None = None
    """Its own adapter, where it is smaller than the bank's or differs in alpha or dropout."""
    length: Length | None = None
    """None: as the recipe says, and validation selects the epoch."""

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one pass; the last batch may be smaller."""
        return self.recipe.steps_per_epoch(len(self.labels))

    @property
    def total_steps(self) -> int:
        """Steps until the learning rate reaches 0."""
        if self.length is not None:
            return self.length.horizon
        return self.recipe.steps_at(len(self.labels))

    @property
    def last_step(self) -> int:
        """Steps that the run takes at most."""
        return self.total_steps if self.length is None else self.length.steps

    @property
    def epochs_between(self) -> int:
        """Epochs from one validation to the next."""
        return math.ceil(self.recipe.epochs_at(len(self.labels)) / self.recipe.evaluations)


@dataclass
class Tally:
    """Sums over the training-mode logits since the last validation."""

    loss: float = 0.0  # sum over examples
    right: int = 0
    examples: int = 0
    broke: int = 0
    """Step whose loss made the sum no number; 0: none."""
    value: float = 0.0
    """What that was."""

    def add(self, loss: float, right: int, examples: int) -> None:
        """Adds one batch, its loss being a mean."""
        self.loss += loss * examples
        self.right += right
        self.examples += examples


@dataclass
class Best:
    """The epoch whose weights a run keeps."""

    epoch: int = 0
    loss: float = math.inf  # on validation, nats
    logits: NDArray[np.float64] | None = None  # (V, C) on validation
    state: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


class Slot:
    """One place of the bank and the run that sits in it.

    Optimiser, schedule and clipping are torch's own, over the slot's views of the bank; or its
    share of those of all slots (`stacked`), where the bank computes on a device. There its
    examples lie too.
    """

    def __init__(
        self, bank: Bank, index: int, job: Job, now: float, stacked: Stacked | None = None
    ) -> None:
        self.index, self.job = index, job
        bank.enter(index, seed_for("init", job.seed), job.lora)
        self.parameters = bank.parameters_of(index)
        for parameter in self.parameters:
            assert parameter.grad is not None
            parameter.grad.zero_()
        recipe = job.recipe
        self.device = bank.device
        total = job.total_steps
        self.optimiser: torch.optim.Optimizer | Share
        self.schedule: torch.optim.lr_scheduler.LambdaLR | Decay
        self.resident: Resident | None = None
        if stacked is None:
            self.optimiser = torch.optim.AdamW(
                self.parameters,
                lr=recipe.learning_rate,
                weight_decay=recipe.weight_decay,
                fused=True,
            )
            self.schedule = torch.optim.lr_scheduler.LambdaLR(
                self.optimiser, lambda step: max(0.0, (total - step) / total)
            )
        else:
            self.optimiser = stacked.seat(index, recipe, total)
            self.schedule = Decay(recipe.learning_rate, total)
            self.resident = Resident(job.tokens, job.labels, job.weights, bank.device)
        self.epoch = 1
        self.step = 0  # optimiser steps taken
        self.seen = 0  # training examples seen
        self.worse = 0  # validations since the best
        self.best = Best()
        self.held_out = HeldOut()  # of logits
        self.tally = Tally()
        self.began = self.judged = now  # when it entered, and was last judged
        self.learning_rate = recipe.learning_rate
        self._order = self._shuffle()

    def _shuffle(self) -> Ints:
        examples = len(self.job.labels)
        return generator_for("batches", self.job.seed, self.epoch).permutation(examples)

    def next_batch(self) -> Ints:
        """Indices of the next batch, (B,)."""
        begin = (self.step % self.job.steps_per_epoch) * self.job.recipe.batch_size
        return self._order[begin : begin + self.job.recipe.batch_size]

    def stream(self) -> Stream | Key:
        """The random bits of the step to come."""
        return stream_for(seed_for("dropout", self.job.seed), self.step, self.device)

    def clip(self) -> Tensor:
        """Clips the slot's gradients; their norm before, (), is no number where one of them is
        none."""
        return torch.nn.utils.clip_grad_norm_(self.parameters, self.job.recipe.max_grad_norm)

    def clear(self) -> None:
        """Sets the gradients to zero, whatever stands there."""
        assert isinstance(self.optimiser, torch.optim.Optimizer), "`Stacked.step` clears all slots'"
        self.optimiser.zero_grad(set_to_none=False)

    def count(self, loss: float, right: int, examples: int) -> None:
        """Takes note of a batch, its loss being a mean."""
        self.tally.add(loss, right, examples)
        self.seen += examples

    def update(self) -> None:
        """Moves the slot's weights by one step along its clipped gradients, and clears them; what
        moves all slots at once has done so already."""
        self.learning_rate = float(self.schedule.get_last_lr()[0])
        if isinstance(self.optimiser, torch.optim.Optimizer):
            self.optimiser.step()
            self.clear()
        self.schedule.step()
        self.step += 1

    @property
    def closes_epoch(self) -> bool:
        """Whether the step to come is the last of its epoch, or of the run."""
        ahead = self.step + 1
        return ahead % self.job.steps_per_epoch == 0 or ahead >= self.job.last_step

    @property
    def epoch_ended(self) -> bool:
        """Whether the step just taken was the last of its epoch, or of the run."""
        whole = self.step > 0 and self.step % self.job.steps_per_epoch == 0
        return whole or self.step >= self.job.last_step

    @property
    def due(self) -> bool:
        """Whether the epoch that just ended is one to be judged."""
        selects = self.job.length is None and self.epoch % self.job.epochs_between == 0
        return selects or self.step >= self.job.last_step

    def judge(self, loss: float, logits: NDArray[np.float64], state: dict[str, Tensor]) -> None:
        """Takes note of a validation; keeps a copy of the weights where it is the best yet."""
        if loss < self.best.loss:
            copy = {name: tensor.clone() for name, tensor in state.items()}
            self.best = Best(self.epoch, loss, logits, copy)
            self.worse = 0
        else:
            self.worse += 1

    @property
    def finished(self) -> bool:
        """Whether the run ends with the epoch just judged."""
        return self.step >= self.job.last_step or self.worse >= self.job.recipe.patience

    def next_epoch(self) -> None:
        """Begins the next epoch with a new order."""
        self.go_to(self.epoch + 1, self.step)

    def go_to(self, epoch: int, step: int) -> None:
        """Stands in this epoch, with its order, after so many optimiser steps."""
        self.epoch, self.step = epoch, step
        self._order = self._shuffle()

    def count_anew(self, now: float) -> None:
        """Begins the count towards the next validation."""
        self.tally = Tally()
        self.judged = now
