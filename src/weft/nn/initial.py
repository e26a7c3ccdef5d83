"""What a new run's weights are before it trains: A as PEFT draws it, B zero, a head as
transformers draws it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def drawn(name: str, like: Tensor, spread: float, generator: torch.Generator) -> Tensor:
    """The initial value of one trained tensor, on the CPU so that every device gets the same.

    Args:
        name: as PEFT saves it.
        like: any tensor of its shape and format.
        spread: standard deviation of a head's weights (the encoder's `initializer_range`).
        generator: of the run; draws in the order in which tensors are asked for.
    """
    made = torch.zeros_like(like, device="cpu")
    if name.endswith("lora_A.weight"):
        nn.init.kaiming_uniform_(made, a=math.sqrt(5), generator=generator)
    elif not name.endswith(("lora_B.weight", ".bias")):
        made.normal_(0.0, spread, generator=generator)
    return made


def slice_of(parameter: nn.Parameter, slot: int) -> nn.Parameter:
    """One slot of a stacked parameter as a parameter for an optimiser, gradient attached."""
    view = nn.Parameter(parameter.detach()[slot])
    assert parameter.grad is not None
    view.grad = parameter.grad[slot]
    return view
