"""Which runs a study consists of. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from weft.config import StudyConfig
from weft.data.splits import Splits
from weft.study.record import RunKey


def plan(config: StudyConfig, splits: Splits, identity: Mapping[str, str]) -> list[RunKey]:
    """Every run of the grid: method x size x seed.

    Args:
        identity: hashes of the `data` and of the `backbone`, which decide outcomes as settings do;
            the latter may be absent where no method needs it.
    """
    return [
        RunKey(_run_id(config, identity, splits.name, method, size, seed), method, size, seed)
        for method in config.methods
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
    own = config.data.model_dump(exclude={"folder", "source"})
    if own["validation"] == "random":
        del own["validation"]  # unset it leaves the id as it is without such a setting
    parts["data"] = [identity["data"], own]
    if method != "tfidf":
        own = config.backbone.model_dump(exclude={"name", "revision"})
        parts["backbone"] = [identity["backbone"], own]
    if method == "lora":
        parts |= {"lora": config.lora.model_dump(), "recipe": config.recipe.model_dump()}
    text = json.dumps(parts, sort_keys=True)
    return f"{method}-{size}-{seed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def steps_of(config: StudyConfig, size: int) -> int:
    """Optimiser steps of one LoRA run at most."""
    return config.recipe.epochs * -(-size // config.recipe.batch_size)
