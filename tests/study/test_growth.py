"""The grid in a study's folder is the union of what its commands asked for."""

from __future__ import annotations

from typing import Any

from weft.config import StudyConfig
from weft.study.growth import grown


def config(**given: Any) -> StudyConfig:
    return StudyConfig.model_validate({"seeds": 2, "methods": ["lora"], "sizes": [8, 16], **given})


def union(before: StudyConfig, now: StudyConfig) -> StudyConfig:
    update = grown(before, now, before.sizes or (5, 9), now.sizes or (5, 9))
    return StudyConfig.model_validate(now.model_dump() | update)


def test_sizes_and_methods_grow_and_never_shrink() -> None:
    small = config(sizes=[16], methods=["tfidf"])
    found = union(config(), small)
    assert found.sizes == (8, 16)
    assert found.methods == ("lora", "tfidf")
    assert union(found, small) == found


def test_each_size_keeps_the_seeds_it_was_given() -> None:
    found = union(config(), config(sizes=[16, 32], seeds=3, seeds_at={32: 1}))
    assert (found.seeds, found.seeds_at) == (3, {8: 2, 32: 1})
    assert union(found, config(seeds=1)) == found


def test_a_ladder_stays_open_until_a_size_is_named() -> None:
    ladder = config(sizes=None)
    assert union(ladder, ladder).sizes is None
    assert union(ladder, config()).sizes == (5, 8, 9, 16)
    assert union(config(), ladder).sizes == (5, 8, 9, 16)


def test_a_grid_keeps_its_axes_and_values() -> None:
    rates, ranks = {"recipe.learning_rate": [1e-3, 2e-3]}, {"lora.r": [4]}
    found = union(config(grid=rates), config(grid={"recipe.learning_rate": [3e-3], **ranks}))
    assert found.grid == {"recipe.learning_rate": (1e-3, 2e-3, 3e-3), "lora.r": (4,)}
    assert union(found, config()) == found
