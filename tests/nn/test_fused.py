"""AMX products against float32's, and whole layers against the kernels they are composed of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from weft.nn.flat.fused import Fused
from weft.nn.flat.product import Frozen
from weft.nn.leaves import FrozenLinear
from weft.nn.native import library

from ..parity.steps import Outcome, Part, step
from ..tiny import Checkpoint, bank, examples, labels, stir

pytestmark = pytest.mark.skipif(
    not library.tiles(), reason="this machine has no AMX, or the kernels are not built here"
)
ALL = {
    "bert": [
        "query",
        "key",
        "value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ],
    "distilbert": ["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"],
}


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 47, 200])
@pytest.mark.parametrize(("inner", "out"), [(32, 64), (96, 32), (768, 96)])
def test_product(rows: int, inner: int, out: int) -> None:
    """To bfloat16's rounding of the result, whatever the number of rows."""
    with torch.random.fork_rng():
        torch.manual_seed(rows)
        layer = nn.Linear(inner, out)
        x, d_y = torch.randn(rows, inner).bfloat16(), torch.randn(rows, out).bfloat16()
    weight, bias = layer.weight.detach().bfloat16().float(), layer.bias.detach()
    frozen = Frozen([FrozenLinear(layer, torch.float32)], torch.bfloat16)
    assert frozen.laid is not None
    exact = F.linear(x.float(), weight, bias.bfloat16().float())
    near = {"rtol": 1e-2, "atol": 1e-3}
    torch.testing.assert_close(frozen.forward(x).float(), exact, **near)
    torch.testing.assert_close(frozen.forward(x, "gelu").float(), F.gelu(exact), **near)
    torch.testing.assert_close(frozen.backward(d_y).float(), d_y.float() @ weight, **near)


def test_what_is_no_number_stays_visible() -> None:
    frozen = Frozen([FrozenLinear(nn.Linear(32, 32), torch.float32)], torch.bfloat16)
    x = torch.ones(3, 32, dtype=torch.bfloat16)
    x[1, 4] = torch.nan
    assert frozen.forward(x).isnan().all(1).tolist() == [False, True, False]
    assert frozen.forward(x, "gelu").isnan().all(1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "pooling"),
    # DistilBERT's own head rectifies: whether a rounding flips a unit there is luck
    [("bert", "cls"), ("bert", "mean"), ("distilbert", "mean")],
)
@pytest.mark.parametrize("targets", [None, "all"])
@pytest.mark.parametrize("dropout", [False, True])
def test_layer(
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    pooling: str,
    targets: str | None,
    dropout: bool,
) -> None:
    """The same kernels in the same order: losses and gradients differ by roundings at most."""
    outcomes: list[Sequence[Outcome]] = []
    for whole in (True, False):
        if not whole:
            monkeypatch.setattr(Fused, "of", lambda *_, **__: None)
        names = None if targets is None else ALL[kind]
        ours = bank(checkpoint(kind), 3, "bf16", targets=names, pooling=pooling)
        for slot in range(3):
            stir(ours, slot, slot)
        parts = [
            Part(slot, examples(n, seed=slot), labels(n), (slot, 7) if dropout else None)
            for slot, n in ((0, 9), (2, 16))
        ]
        outcomes.append(step(ours, parts))
    for fused, composed in zip(*outcomes, strict=True):
        assert _apart(fused.logits, composed.logits) < 0.03
        assert fused.gradients.keys() == composed.gradients.keys()
        for name, gradient in fused.gradients.items():
            plain = composed.gradients[name]
            assert plain.abs().max() > 0, name
            assert _apart(gradient, plain) < 0.06, name


def _apart(got: Tensor, plain: Tensor) -> float:
    """In L2, relative."""
    return float((got - plain).norm() / plain.norm())
