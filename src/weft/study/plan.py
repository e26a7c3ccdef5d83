"""Which runs a study consists of. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.config import Settings, StudyConfig
from weft.data.splits import Splits
from weft.study.record import RunKey
from weft.study.variants import variants

if TYPE_CHECKING:
    from weft.methods.base import Found

STEPPED = ("lora", "bitfit", "full")
"""The methods that train by steps, epoch by epoch."""
ORDER = ("tfidf", "probe", *STEPPED)
"""In which methods are run: the quick ones show early what the others have to beat."""
_AS_BEFORE = (("min_steps", 0), ("evaluations", 20), ("validation", "random"))
"""Settings that are younger than run ids, at the value that leaves a run as it was."""


@dataclass(frozen=True)
class Given:
    """The one run of a folder in which nothing is left to plan: another study found its recipe."""

    key: RunKey
    found: Found
    origin: Mapping[str, Any]
    """JSON: what it follows from. A run that follows from something else is another one."""

    @property
    def last(self) -> dict[str, int]:
        """Its steps, by its id; empty where its method takes none."""
        return {} if self.found.length is None else {self.key.run_id: self.found.length.steps}


def plan(config: StudyConfig, splits: Splits, identity: Mapping[str, str]) -> list[RunKey]:
    """Every run of the grid: method x its settings x size x seed.

    A run's id is that of a study which has its settings alone, and no grid.

    Args:
        identity: hashes of the `data` and of the `backbone`, which decide outcomes as settings do;
            the latter may be absent where no method needs it.
    """
    return [
        RunKey(
            _run_id(own.config, identity, splits.name, method, size, seed),
            method,
            size,
            seed,
            own.label,
        )
        for method in config.methods
        for own in variants(config, method)
        for size in splits.sizes
        for seed in range(config.seeds_at.get(size, config.seeds))
    ]


def _run_id(
    config: StudyConfig,
    identity: Mapping[str, str],
    draw: str,
    method: str,
    size: int,
    seed: int,
) -> str:
    parts: dict[str, Any] = {"method": method, "size": size, "seed": seed, "draw": draw}
    parts["data"] = [identity["data"], _settings(config.data, {"folder", "source"})]
    if method != "tfidf":
        own = config.backbone.model_dump(exclude={"name", "revision"})
        parts["backbone"] = [identity["backbone"], own]
    if method == "lora":
        parts |= {"lora": config.lora.model_dump(), "recipe": _settings(config.recipe)}
    elif method in ("bitfit", "full"):  # whose learning rate is not the recipe's
        own = config.bitfit if method == "bitfit" else config.full
        parts[method] = own.model_dump()
        parts["recipe"] = _settings(config.recipe, {"learning_rate"})
    text = json.dumps(parts, sort_keys=True)
    return f"{method}-{size}-{seed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _settings(group: Settings, idle: set[str] | None = None) -> dict[str, Any]:
    """Of a group, all that decides; a later setting that says the old way is as good as absent.

    Args:
        idle: settings of the group that decide nothing here.
    """
    return {
        name: value
        for name, value in group.model_dump(exclude=idle).items()
        if (name, value) not in _AS_BEFORE
    }


def steps_of(config: StudyConfig, size: int) -> int:
    """Optimiser steps of one run at most, of a method that trains by steps."""
    return config.recipe.steps_at(size)
