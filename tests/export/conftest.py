"""Tiny checkpoints for the tests in this folder, and one number format on all machines."""

import pytest

from ..tiny import checkpoint

__all__ = ["checkpoint"]


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictors choose their number format by the machine; here all machines choose the same."""
    monkeypatch.setattr("weft.nn.backbone.fast_bf16", lambda: False)
