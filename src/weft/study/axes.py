"""A grid as people say it, made one of settings and values, or what is wrong with it. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from weft.config import Settings, StudyConfig
from weft.errors import brief, did_you_mean
from weft.study.places import PLACES, place_of
from weft.study.variants import can_vary, shown, touches

_MOST = 1000  # values of one setting
_LIST = "lora.target_modules"
_HOW = "e.g. --grid learning-rate=5e-4,1e-3"


def named(grid: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The axes by the dotted names of their settings; those of one setting are put together.

    Args:
        grid: values by name: that of the setting or of its option, or tables of settings, as TOML
            reads names with dots in them.
    """
    found: dict[str, Any] = {}
    for name, values in grid.items():
        if isinstance(values, Mapping):
            found |= named(cast("Mapping[str, Any]", values), f"{above}{name}.")
        else:
            found[place_of(f"{above}{name}")] = values
    return found


def typed(grid: Mapping[str, Any]) -> tuple[dict[str, tuple[Any, ...]], list[str]]:
    """The axes with values of their settings' types, and what is wrong with the others.

    Args:
        grid: values by dotted name, as `named` gives it: a list, or as typed, commas between them
            and + between modules.
    """
    found: dict[str, tuple[Any, ...]] = {}
    faults: list[str] = []
    for name, given in grid.items():
        if not can_vary(name):
            faults.append(_no_axis(name))
            continue
        values: list[Any] = []
        for value in _listed(given):
            try:
                values.append(_typed(name, value))
            except ValidationError as error:
                (first, *_) = error.errors()
                unknown = first["type"] == "extra_forbidden"
                said = f"grid: {name}: {first['msg']} (found {brief(value)})"
                faults.append(_no_axis(name) if unknown else said)
        if not values and not _listed(given):
            faults.append(f"grid: {name} has no values, {_HOW}")
        if len(values) > _MOST:
            faults.append(f"grid: {name} has {len(values):,} values; {_MOST} at most")
            continue
        odd = [value for place, value in enumerate(values) if value in values[:place]]
        if odd:
            faults.append(f"grid: {name} names {shown(odd[0])} twice")
        if (name, "auto") in ((name, value) for value in values) and name.endswith("precision"):
            faults.append(f"grid: {name}: name the formats (found 'auto'), e.g. bf16,float32")
        found[name] = tuple(values)
    return found, faults


def untouched(config: StudyConfig) -> list[str]:
    """The axes that none of the study's methods heeds, as faults."""
    return [
        f"grid: none of the methods {', '.join(config.methods)} heeds {name}"
        for name in config.grid
        if not any(touches(method, name) for method in config.methods)
    ]


def _listed(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    if isinstance(given, Sequence):
        return list(cast("Sequence[Any]", given))
    return [given]


def _typed(name: str, value: Any) -> Any:
    """A value as the settings have it.

    Raises:
        ValidationError: it is none of the setting's.
    """
    section, _, leaf = name.partition(".")
    if name == _LIST and isinstance(value, str):
        value = [part.strip() for part in value.split("+") if part.strip()]
    settings = cast("Settings", getattr(StudyConfig(), section))
    return getattr(type(settings).model_validate({leaf: value}), leaf)


def _no_axis(name: str) -> str:
    if name in PLACES.values():
        return f"grid: {name} is the same for all runs that are compared and cannot vary"
    axes = [setting for setting in PLACES.values() if can_vary(setting)]
    said = {option.replace("_", "-"): place for option, place in PLACES.items() if place in axes}
    said |= {place: place for place in axes}
    return f"grid: there is no setting {name[:200]}{did_you_mean(name.replace('_', '-'), said)}"
