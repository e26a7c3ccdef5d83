"""Dropout: its rate, what fixes a mask, and what does not touch it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from weft.config import BankSettings
from weft.nn.bank import Bank
from weft.nn.dropout import BankDropout, Layout, Step, Stream
from weft.text.packing import Strips, pack
from weft.training.loop import train
from weft.training.slots import Job, Recipe

from ..tiny import Checkpoint, bank, examples, judges, labels

FEATURES = 64


def layer(p: float, strips: Strips, streams: list[Stream] | None) -> BankDropout:
    """A dropout layer in the midst of a step."""
    return BankDropout(p, Step(strips, streams, Layout(strips)))


def strips_of(*counts: int, width: int | None = None) -> Strips:
    """Runs of so many examples, packed; equal whatever the width."""
    return pack([(k, examples(n, seed=k)) for k, n in enumerate(counts)], pad=0, width=width)


def real(strips: Strips, x: torch.Tensor) -> torch.Tensor:
    """The rows of x (N, S, F) that hold a token, in canonical order, (T, F)."""
    return x.flatten(0, 1)[torch.from_numpy(strips.place)]


@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.5, 0.9])
def test_rate_and_scale(p: float) -> None:
    strips = strips_of(300, 200)
    dropout = layer(p, strips, [Stream(1, 0), Stream(2, 0)])
    x = torch.ones(*strips.ids.shape, FEATURES)
    kept = real(strips, dropout(x))
    share, count = float((kept != 0).float().mean()), kept.numel()
    assert abs(share - (1 - p)) < 4 * (p * (1 - p) / count) ** 0.5
    assert kept.unique().tolist() == [0, pytest.approx(1 / (1 - p), rel=1e-4)]
    assert dropout.scale * (1 - round(p * 65536) / 65536) == pytest.approx(1)


@pytest.mark.parametrize("p", [0.1, 0.4])
def test_rate_of_attention(p: float) -> None:
    strips = strips_of(60)
    dropout = layer(p, strips, [Stream(5, 2)])
    drawn = dropout.square_mask(4, torch.float32)
    assert drawn is not None
    example = strips.example
    same = (example[:, :, None] == example[:, None, :]) & (example >= 0)[:, :, None]
    inside = drawn.movedim(1, -1)[torch.from_numpy(same)]  # (pairs of tokens, heads)
    share = float((inside != 0).double().mean())
    assert abs(share - (1 - p)) < 4 * (p * (1 - p) / inside.numel()) ** 0.5
    for head in range(3):
        assert not torch.equal(inside[:, head], inside[:, head + 1])


def masks(seeds: list[tuple[int, int]], width: int | None = None) -> list[torch.Tensor]:
    """(T, F) masks at two sites of runs with these (seed, step), one tensor a site."""
    strips = strips_of(*[12] * len(seeds), width=width)
    dropout = layer(0.3, strips, [Stream(*seed) for seed in seeds])
    x = torch.ones(*strips.ids.shape, FEATURES)
    return [real(strips, dropout(x)) for _ in range(2)]


def test_a_mask_is_fixed_by_seed_and_step() -> None:
    first, second = masks([(3, 4)]), masks([(3, 4)])
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(first, masks([(3, 4)], 200), strict=True))


def test_sites_steps_and_runs_differ() -> None:
    here, there = masks([(3, 4)])
    others = [there, masks([(3, 5)])[0], masks([(4, 4)])[0], masks([(4, 3)])[0]]
    for other in others:
        agree = float((here == other).float().mean())
        assert agree == pytest.approx(0.3**2 + 0.7**2, abs=0.03)  # as independent draws do


def test_a_run_draws_the_same_beside_others() -> None:
    own = examples(12, seed=0).lengths.sum()
    for alone, together in zip(masks([(3, 4)]), masks([(3, 4), (9, 9)]), strict=True):
        assert torch.equal(alone, together[:own])
    assert not torch.equal(together[: len(together) - own], together[own:])


def test_no_stream_or_no_rate_drops_nothing() -> None:
    strips = strips_of(3)
    x = torch.randn(*strips.ids.shape, 8, generator=torch.Generator().manual_seed(0))
    assert layer(0.5, strips, None)(x) is x
    assert layer(0.0, strips, [Stream(1, 1)])(x) is x


def test_examples_are_drawn_by_row() -> None:
    """Behind the last layer a row is an example, (B, F) or (B, 1, F)."""
    strips = strips_of(4, 3)
    flat = layer(0.5, strips, [Stream(1, 0), Stream(2, 0)])(torch.ones(7, 64))
    deep = layer(0.5, strips, [Stream(1, 0), Stream(2, 0)])(torch.ones(7, 1, 64))
    assert torch.equal(flat, deep[:, 0])
    alone = layer(0.5, strips_of(4), [Stream(1, 0)])(torch.ones(4, 64))
    assert torch.equal(flat[:4], alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradient_is_the_mask(dtype: torch.dtype) -> None:
    strips = strips_of(5)
    x = torch.randn(
        *strips.ids.shape, 8, dtype=dtype, generator=torch.Generator().manual_seed(1)
    ).requires_grad_()
    dropout = layer(0.4, strips, [Stream(1, 0)])
    y = dropout(x)
    y.sum().backward()
    assert x.grad is not None
    kept = y != 0
    assert torch.equal(x.grad != 0, kept)
    assert torch.equal(y, torch.where(kept, x * dropout.scale, 0).to(dtype))
    assert x.grad.unique().tolist() == [0, torch.tensor(dropout.scale, dtype=dtype).item()]


def test_training_leaves_the_global_generators_alone(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    job = Job("run", 3, examples(9), labels(9), Recipe(batch_size=4, epochs=2))
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    list(train(ours, [job], judges(ours), BankSettings()))
    after = torch.get_rng_state(), np.random.get_state(), random.getstate()
    assert torch.equal(before[0], after[0])
    assert repr(before[1]) == repr(after[1])
    assert before[2] == after[2]


def test_training_does_not_read_the_global_generators(checkpoint: Checkpoint) -> None:
    def trained(seed: int) -> Bank:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            ours = bank(checkpoint("bert"), 1)
            job = Job("run", 3, examples(9), labels(9), Recipe(batch_size=4, epochs=1))
            list(train(ours, [job], judges(ours), BankSettings()))
        return ours

    one, two = trained(1), trained(2)
    for name, tensor in one.state(0).items():
        assert torch.equal(tensor, two.state(0)[name]), name
