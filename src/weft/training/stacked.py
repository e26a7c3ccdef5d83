"""Clipping, AdamW and linear decay of all slots at once, as tensors with a row a slot.

On a device the host must not wait for a number, and calls cost more than sums. So rates, steps and
limits are tensors (R, 1), and empty slots are masked: the same calls serve whatever runs are there.
Torch's own `clip_grad_norm_`, `AdamW` and `LambdaLR` are the plain twin, which a CPU uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from weft.config import Recipe
from weft.nn.bank import Bank
from weft.nn.gpu.tape import Again, Tape, tape_of
from weft.nn.placing import away, placed

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch's own
_SMALL = 1e-6  # as `clip_grad_norm_` adds to a norm


def stacked_of(bank: Bank) -> Stacked | None:
    """What moves all slots at once; None on a CPU, where each moves by itself."""
    return Stacked(list(bank.trained.values()), tape_of(bank)) if away(bank.device) else None


class Stacked:
    """The optimisers of a bank's slots.

    Args:
        trained: (R, ...) each, with its gradient.
        tape: records a step; None: nothing is recorded.
    """

    def __init__(self, trained: Sequence[nn.Parameter], tape: Tape | None = None) -> None:
        self._trained, self.tape = trained, tape
        self._move = self._plain_move if tape is None else Again(self._plain_move, tape)
        self._gradients = [p.grad for p in trained if p.grad is not None]
        assert len(self._gradients) == len(trained)
        line = _line(self._gradients)  # (R, P) all that a slot trains
        self.mean, self.square = torch.zeros_like(line), torch.zeros_like(line)
        self.steps = line.new_zeros(len(line), 1, dtype=torch.float64)
        self._recipes = np.ones((4, len(line), 1))  # as `_numbers`, on the host
        self._numbers = placed(self._recipes.copy(), line.device)
        """Learning rate at first, weight decay, largest norm, steps until the rate is 0."""
        self._seated = np.zeros((len(line), 1), dtype=np.bool_)  # as `_going`, on the host
        self._going = placed(self._seated.copy(), line.device)

    def views(self, line: Tensor) -> list[Tensor]:
        """(R, P) -> for each trained tensor its part, (R, ...)."""
        parts = torch.split(line, [parameter[0].numel() for parameter in self._trained], dim=1)
        return [part.view(p.shape) for part, p in zip(parts, self._trained, strict=True)]

    def seat(self, slot: int, recipe: Recipe, total: int) -> Share:
        """Begins a run's optimiser anew."""
        numbers = (recipe.learning_rate, recipe.weight_decay, recipe.max_grad_norm, total)
        self._recipes[:, slot, 0] = numbers
        self._numbers.copy_(placed(self._recipes.copy(), self._numbers.device), non_blocking=True)
        for tensor in (self.mean, self.square, self.steps):
            tensor[slot].zero_()
        return Share(self, slot)

    def step(self, slots: Sequence[int]) -> None:
        """Clips gradients, moves weights by one step and clears the gradients; slots that are not
        named stay where they are.

        Args:
            slots: those whose runs take part.
        """
        seated = np.zeros_like(self._seated)
        seated[list(slots)] = True
        if (seated != self._seated).any():
            self._seated = seated
            self._going.copy_(placed(seated.copy(), self._going.device), non_blocking=True)
        self._move()

    @torch.no_grad()
    def _plain_move(self) -> None:
        weights, gradients = _line(self._trained), _line(self._gradients)
        first_rate, decay, limit, total = self._numbers.unbind(0)
        norm = gradients.square().sum(1, keepdim=True, dtype=torch.float64).sqrt()
        kind = weights.dtype

        rate = first_rate * ((total - self.steps) / total).clamp(min=0)
        steps = self.steps + 1
        gradient = gradients * (limit / (norm + _SMALL)).clamp(max=1).to(kind)
        mean = self.mean.lerp(gradient, 1 - _BETAS[0])
        square = self.square * _BETAS[1] + gradient.square() * (1 - _BETAS[1])
        spread = square.sqrt() / (1 - _BETAS[1] ** steps).sqrt().to(kind) + _EPSILON
        moved = weights * (1 - rate * decay).to(kind)
        moved = moved - (rate / (1 - _BETAS[0] ** steps)).to(kind) * mean / spread
        for old, new in (
            *((weights, moved), (self.mean, mean)),
            *((self.square, square), (self.steps, steps)),
        ):
            old.copy_(torch.where(self._going, new, old))
        each = cast("Any", torch)  # all in one call of the device
        each._foreach_copy_([p.detach() for p in self._trained], self.views(weights))
        each._foreach_zero_(self._gradients)


def _line(tensors: Sequence[Tensor]) -> Tensor:
    """(R, ...) each -> (R, P), a copy."""
    return torch.cat([tensor.detach().flatten(1) for tensor in tensors], dim=1)


class Share:
    """One slot's share, told and put back as torch tells an optimiser's state."""

    def __init__(self, stacked: Stacked, slot: int) -> None:
        self._stacked, self._slot = stacked, slot
        self.param_groups: list[dict[str, Any]] = []  # rates are the whole bank's

    def state_dict(self) -> dict[str, Any]:
        """Views of the moments, by the number of the tensor and torch's names for them."""
        every = self._stacked
        moments = zip(every.views(every.mean), every.views(every.square), strict=True)
        steps = every.steps[self._slot, 0].float()
        return {
            "state": {
                number: {
                    "step": steps,
                    "exp_avg": mean[self._slot],
                    "exp_avg_sq": square[self._slot],
                }
                for number, (mean, square) in enumerate(moments)
            }
        }

    def load_state_dict(self, known: Mapping[str, Any]) -> None:
        """Puts back what `state_dict` told, or torch's AdamW; of a run that had not moved,
        nothing."""
        own = self.state_dict()["state"]
        for number, moments in known["state"].items():
            for name in ("exp_avg", "exp_avg_sq"):
                own[number][name].copy_(moments[name])
            self._stacked.steps[self._slot] = moments["step"].to(self._stacked.steps.device)


class Decay:
    """The host's own count of a run's learning rate: straight down to 0."""

    def __init__(self, first: float, total: int) -> None:
        self._first, self._total, self._step = first, total, 0

    def get_last_lr(self) -> list[float]:
        """The rate of the step to come."""
        return [self._first * max(0.0, (self._total - self._step) / self._total)]

    def step(self) -> None:
        """Counts a step."""
        self._step += 1

    def state_dict(self) -> dict[str, Any]:
        """By torch's name for it."""
        return {"last_epoch": self._step}

    def load_state_dict(self, known: Mapping[str, Any]) -> None:
        """Puts back what `state_dict` told, or a schedule of torch's."""
        self._step = int(known["last_epoch"])
