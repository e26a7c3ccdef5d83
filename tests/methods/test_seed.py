"""Each size and each seed of a study trains with draws of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from weft.config import Recipe
from weft.methods.base import Item
from weft.methods.lora import Lora


def test_every_size_and_seed_has_draws_of_its_own() -> None:
    order = np.arange(8)
    materials: Any = SimpleNamespace(
        splits=SimpleNamespace(
            name="x",
            order=lambda _: order,
            pool=SimpleNamespace(labels=np.zeros(8, int), weights=None),
        ),
        pool=SimpleNamespace(part=lambda index: index),
        config=SimpleNamespace(recipe=Recipe()),
    )
    lora = Lora(materials)
    seeds = {lora._job(Item("r", size, seed)).seed for size in (4, 8) for seed in (0, 1)}
    assert len(seeds) == 4
