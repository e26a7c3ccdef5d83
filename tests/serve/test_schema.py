"""The server does what its own OpenAPI schema says, for requests that Schemathesis makes of it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from weft.serve.deck import Deck

from .live import listening

pytestmark = pytest.mark.slow

PATHS = {"/predict", "/why", "/adapters", "/health", "/ready", "/metrics"}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_it_keeps_to_its_schema(deck: Deck, mode: GenerationMode) -> None:
    """Statuses, bodies, headers; what is wrong is refused; never a 5xx, never a hang."""
    with listening(deck, seconds=20) as port:
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        assert {operation.path for operation in operations} == PATHS
        for operation in operations:
            if mode == GenerationMode.POSITIVE or operation.method == "post":
                _hold(operation, mode)


def _hold(operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=200 if operation.method == "post" else 5,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(timeout=30)

    holds()
