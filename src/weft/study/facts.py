"""What a study's ledger says of its data, backbone, settings and machine."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from weft.config import StudyConfig
from weft.machine import describe, versions
from weft.study import sessions
from weft.study.notices import Opened
from weft.study.presets import PUBLISHED, departures


def facts_of(opened: Opened, command: str) -> dict[str, Any]:
    """All that is known before the backbone is looked up.

    Args:
        command: what the user typed.
    """
    config, data, splits = opened.config, opened.data, opened.splits
    facts: dict[str, Any] = {
        "name": config.name,
        "command": command,
        "config": config.model_dump(mode="json"),
        "departures": departures(config),
        "data": {
            "name": data.name,
            "origin": data.origin,
            "label_names": list(data.label_names),
            "positive": data.positive,
            "hashes": data.hashes,
            "notes": [*data.notes, *splits.notes],
            "train": len(splits.pool),
            "validation": len(splits.validation),
            "test": len(splits.test),
            "balance": splits.balance,
            "label_counts": _label_counts(opened),
        },
        "versions": versions(),
        "machine": describe(),
        "date": time.strftime("%Y-%m-%d"),
    }
    if config.data.source == "sst2":
        facts["published"] = PUBLISHED
    return facts


def facts_of_backbone(config: StudyConfig, source: Any) -> dict[str, Any]:
    """Which encoder it is and how the study's runs read it.

    Args:
        config: with the number format that products come in.
        source: the encoder's files.
    """
    formats = config.grid.get("backbone.precision", (config.backbone.precision,))
    return {
        "name": source.name,
        "origin": source.origin,
        "revision": source.revision,
        "sha256": source.sha256,
        "hashes": source.hashes,
        "pooling": " and ".join(_poolings(config, source)),
        "precision": " and ".join(map(str, formats)),
    }


def together(known: dict[str, Any], facts: dict[str, Any], config: StudyConfig) -> dict[str, Any]:
    """The facts of a study that grows: the first command stays, the rest is of all commands."""
    if not known:
        return facts
    kept = {key: value for key, value in facts.items() if key not in sessions.OF_THE_FIRST}
    counts = dict(facts["data"]["label_counts"])
    before = known.get("data", {}).get("label_counts", {}).get("train", {})
    counts["train"] = before | counts["train"]
    kept["data"] = {**facts["data"], "label_counts": counts}
    kept["config"] = config.model_dump(mode="json")
    kept["departures"] = departures(config)
    return kept


def _poolings(config: StudyConfig, source: Any) -> list[str]:
    """How texts become vectors in the study's runs."""
    from weft.nn.source import pooling_of

    wanted = config.grid.get("backbone.pooling", (source.pooling,))
    settings = [config.backbone.model_copy(update={"pooling": one}) for one in wanted]
    return sorted({pooling_of(one, source.folder) for one in settings})


def _label_counts(opened: Opened) -> dict[str, Any]:
    """How many examples of each class the pool has, and a training set of each size.

    Seed 0 stands for all: at one size, two seeds differ by one example a class at most.
    """
    splits, classes = opened.splits, len(opened.data.label_names)
    drawn = splits.pool.labels[splits.order(0)]

    def counts(size: int) -> list[int]:
        return np.bincount(drawn[:size], minlength=classes).tolist()

    train = {str(size): counts(size) for size in splits.sizes}
    return {"pool": counts(len(drawn)), "train": train}
