"""Settings tried side by side: the combinations of a grid that touch a method. No torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from weft.config import StudyConfig
from weft.study.record import RunKey

_ENCODER = ("backbone.pooling", "backbone.precision", "backbone.max_length")
_TOUCHES: dict[str, tuple[str, ...]] = {
    "lora": ("lora.", "recipe.", *_ENCODER),
    "full": ("full.", "recipe.", *_ENCODER),
    "bitfit": ("bitfit.", "recipe.", *_ENCODER),
    "probe": _ENCODER,
    "tfidf": (),
}
"""By how their names begin, the settings on which a method's outcome depends."""
_RATE = "recipe.learning_rate"
"""LoRA's alone: the others that are trained have a rate of their own."""


@dataclass(frozen=True)
class Variant:
    """One combination, as one method knows it."""

    label: str
    """`learning_rate=0.001, r=16`; empty where the grid does not touch the method."""
    config: StudyConfig
    """Of the study, with these settings and no grid."""


def variants(config: StudyConfig, method: str) -> list[Variant]:
    """Every combination of the axes that touch a method, the last axis fastest."""
    axes = [(name, values) for name, values in config.grid.items() if touches(method, name)]
    plain = config.model_copy(update={"grid": {}})
    found: list[Variant] = []
    for values in itertools.product(*(values for _, values in axes)):
        chosen = dict(zip((name for name, _ in axes), values, strict=True))
        label = ", ".join(f"{n.rpartition('.')[2]}={shown(v)}" for n, v in chosen.items())
        found.append(Variant(label, _with(plain, chosen) if chosen else plain))
    return found


def has(config: StudyConfig, key: RunKey) -> bool:
    """Whether the grid has the settings of a run."""
    return any(own.label == key.variant for own in variants(config, key.method))


def config_of(config: StudyConfig, key: RunKey) -> StudyConfig:
    """The settings of one run of the study as it is asked for."""
    return next(own.config for own in variants(config, key.method) if own.label == key.variant)


def sharing(config: StudyConfig, keys: Iterable[RunKey]) -> list[list[tuple[RunKey, StudyConfig]]]:
    """Runs of one method, with their settings, in parts that can be made in one bank.

    Those of a part read the encoder alike and, where they are LoRA's, have adapters of one shape.
    What else differs is the recipe, which is each run's own.
    """
    parts: dict[object, list[tuple[RunKey, StudyConfig]]] = {}
    known: dict[tuple[str, str], StudyConfig] = {}
    for key in keys:
        place = key.method, key.variant
        own = known[place] if place in known else known.setdefault(place, config_of(config, key))
        shape = own.lora if key.method == "lora" else None
        encoder = None if key.method == "tfidf" else own.backbone
        parts.setdefault((encoder, shape), []).append((key, own))
    return list(parts.values())


def touches(method: str, setting: str) -> bool:
    """Whether a setting, by its dotted name, has a part in what a method makes."""
    if setting == _RATE:
        return method == "lora"
    return setting.startswith(_TOUCHES[method])


def can_vary(setting: str) -> bool:
    """Whether a setting can be an axis: all that some method heeds and the protocol does not."""
    return any(touches(method, setting) for method in _TOUCHES)


def shown(value: object) -> str:
    """A value as it stands in a name: numbers short, modules joined by +."""
    if isinstance(value, tuple | list):
        return "+".join(str(part) for part in cast("list[object]", value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _with(config: StudyConfig, values: Mapping[str, Any]) -> StudyConfig:
    tree = config.model_dump()
    for name, value in values.items():
        section, _, leaf = name.partition(".")
        tree[section][leaf] = value
    return StudyConfig.model_validate(tree)
