"""In bfloat16 a step's gradients are no further from float64's than those of torch's autocast."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..tiny import Checkpoint, bank, examples, labels, stir
from .peer import padded, peer_of, trainable
from .steps import Part, step

SEEDS = 8  # the errors of one seed are nearly a coin flip
ALLOWANCE = 1.05


@pytest.mark.parametrize(
    ("kind", "pooling"),
    # DistilBERT's own head rectifies: whether an error flips a unit there is luck, not precision
    [("bert", "cls"), ("roberta", "cls"), ("electra", "cls"), ("distilbert", "mean")],
)
def test_error_of_gradients(checkpoint: Checkpoint, kind: str, pooling: str) -> None:
    ours, theirs = [], []
    for seed in range(SEEDS):
        folder = checkpoint(kind, seed=seed)
        own, autocast = _errors(folder, pooling, seed)
        ours.append(own)
        theirs.append(autocast)
    assert min(ours) > 1e-4  # it is bfloat16 that is measured
    assert np.mean(ours) <= ALLOWANCE * np.mean(theirs)


def _errors(folder: Path, pooling: str, seed: int) -> tuple[float, float]:
    """Relative errors of one step's gradients, ours in a bank of three and the peer's."""
    tokens, classes = examples(16, seed=seed), labels(16, seed=seed)
    exact = bank(folder, 1, "float64", pooling=pooling)
    state = stir(exact, 0, seed)
    (reference,) = step(exact, [Part(0, tokens, classes)])

    half = bank(folder, 3, "bf16", pooling=pooling)
    stir(half, 0, seed + 50)
    half.load_state(1, state)
    neighbour = Part(0, examples(9, seed=seed + 50), labels(9))
    got = step(half, [neighbour, Part(1, tokens, classes)])[1]

    single = {name: tensor.float() for name, tensor in state.items()}
    peer = peer_of(folder, half, single, attention="sdpa")
    with torch.autocast("cpu", torch.bfloat16):
        logits = peer(**padded(tokens, peer, half.pad)).logits
    cross_entropy(logits.float(), torch.from_numpy(classes)).backward()
    theirs = {name: p.grad for name, p in trainable(peer).items() if p.grad is not None}
    return _error(got.gradients, reference.gradients), _error(theirs, reference.gradients)


def _error(got: Mapping[str, Tensor], exact: Mapping[str, Tensor]) -> float:
    """Relative error in L2 over all tensors together."""
    assert got.keys() == exact.keys()
    apart = sum(
        float((got[name].double() - tensor).square().sum()) for name, tensor in exact.items()
    )
    return (apart / sum(float(tensor.square().sum()) for tensor in exact.values())) ** 0.5
