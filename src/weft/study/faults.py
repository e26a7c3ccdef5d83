"""All that is wrong with a tree of settings, told at once, with the nearest right names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from weft.config import StudyConfig
from weft.data.sizes import seeds_at_of, sizes_of
from weft.errors import ConfigError, brief, did_you_mean
from weft.study.axes import named, typed, untouched
from weft.study.places import PLACES
from weft.study.trees import Tree, flat, is_tree
from weft.study.variants import touches

_GRID = ("sizes", "seeds", "seeds_at", "methods")
_MOST_RUNS = 100_000


def validated(tree: Tree, amiss: Sequence[str] = ()) -> StudyConfig:
    """The configuration that a tree of settings describes; lists may stand as typed.

    Args:
        amiss: what is known to be wrong already, to be told with the rest.

    Raises:
        ConfigError: one message for all faults, with the nearest right name for unknown ones.
    """
    config, faults = checked(tree)
    if config is None or amiss:
        raise refused([*amiss, *faults])
    return config


def refused(
    faults: Sequence[str],
    what: str = "These settings",
    remedy: str = "mend them; `weft study DATA --show-config` prints all settings there are",
) -> ConfigError:
    """The error that tells all faults, a line each where there are several."""
    lines = faults[0] if len(faults) == 1 else "".join(f"\n  - {fault}" for fault in faults)
    gap = " " if len(faults) == 1 else ""
    return ConfigError(f"{what} cannot be used:{gap}{lines}", remedy=remedy)


def checked(tree: Tree) -> tuple[StudyConfig | None, list[str]]:
    """The configuration, or None and everything that is wrong with it."""
    tree, faults = _spelled_out(tree)
    config = None
    try:
        config = StudyConfig.model_validate(tree)
    except ValidationError as error:
        faults += [_fault(dict(item)) for item in error.errors()]
        odd = {item["loc"][0] for item in error.errors()}
        sound = {key: value for key, value in tree.items() if key not in odd and key in _GRID}
        faults += _faults_between(StudyConfig.model_validate(sound))
    else:
        faults += _faults_between(config)
    return (None if faults else config), faults


def _spelled_out(tree: Tree) -> tuple[Tree, list[str]]:
    """The tree with lists and grid that stand as typed spelled out, and what is wrong there."""
    tree, faults = dict(tree), list[str]()
    grid = tree.get("grid")
    if is_tree(grid):
        tree["grid"], faults = typed(named(grid))
        recipe = tree.get("recipe", {})
        if "recipe.epochs" in tree["grid"] and is_tree(recipe):
            # as for one number of epochs: who names them wants just so many
            tree["recipe"] = {"min_steps": 0, **recipe}
    if isinstance(tree.get("methods"), str):
        tree["methods"] = _parted(tree["methods"])
    lora = tree.get("lora")
    if is_tree(lora) and isinstance(lora.get("target_modules"), str):
        tree["lora"] = {**lora, "target_modules": _parted(lora["target_modules"])}
    for name, read in (("sizes", sizes_of), ("seeds_at", seeds_at_of)):
        value = tree.get(name)
        if isinstance(value, str):
            del tree[name]
            try:
                found = read(value)
            except ConfigError as error:
                faults.append(f"{error.problem} (found {error.found}; {error.remedy})")
            else:
                tree[name] = found
    return tree, faults


def _parted(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _faults_between(config: StudyConfig) -> list[str]:
    """What is wrong with settings of the grid that are right each by itself."""
    faults: list[str] = []
    sizes, methods = config.sizes, config.methods
    if sizes is not None and (sorted(set(sizes)) != list(sizes) or not sizes):
        shown = ", ".join(map(str, sizes)) or "none"
        faults.append(f"sizes must ascend and not repeat, e.g. 250,1000,4000 (found {shown[:200]})")
    odd = sorted(set(config.seeds_at) - set(sizes or ()))
    if odd:
        faults.append(f"seeds_at names {odd[0]}, which is not among the sizes")
    if not methods or len(set(methods)) != len(methods):
        shown = ", ".join(methods) or "none"
        faults.append(f"methods must be named once each, at least one (found {shown[:200]})")
    runs = _runs(config)
    if runs > _MOST_RUNS:
        faults.append(
            f"sizes, seeds, methods and grid together make {runs:,} runs, and a study holds "
            f"{_MOST_RUNS:,} at most"
        )
    return faults + untouched(config)


def _runs(config: StudyConfig) -> int:
    """How many runs there are, or would be with five sizes where these are open."""
    axes = config.grid.items()
    combinations = [
        math.prod(len(values) for name, values in axes if touches(method, name))
        for method in config.methods
    ]
    sizes = config.sizes if config.sizes is not None else (0,) * 5
    return sum(combinations) * sum(config.seeds_at.get(size, config.seeds) for size in sizes)


def _fault(error: Mapping[str, Any]) -> str:
    """One fault that pydantic found, in a user's words."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        said = str(error["msg"]).removeprefix("Value error, ")
        if error["type"] in ("model_type", "dict_type"):
            said = "a table of settings is wanted"
        near = _nearest(error)
        return f"{where}{_option(where)}: {said} (found {brief(error['input'])}){near}"
    settings = StudyConfig().model_dump()
    leaf = str(error["loc"][-1])
    beside = _table(settings, error["loc"][:-1])
    # first what stands in the same table, then what stands anywhere
    near = did_you_mean(leaf, beside) or did_you_mean(
        leaf, [*settings, *(key.rpartition(".")[2] for key in flat(settings))]
    )
    return f"{where[:200]}: there is no such setting{near}"


def _nearest(error: Mapping[str, Any]) -> str:
    """Of the words that a setting may be, the one most like what was given."""
    expected = cast("Mapping[str, Any]", error.get("ctx", {})).get("expected")
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    return did_you_mean(error["input"], re.findall(r"'([^']*)'", str(expected)))


def _option(where: str) -> str:
    """The option of a setting, where its name is not the setting's own."""
    for option, place in PLACES.items():
        if place == where and option != place.rpartition(".")[2]:
            spelled = "data" if option == "folder" else option.replace("_", "-")
            return f" (--{spelled})"
    return ""


def _table(settings: Mapping[str, Any], above: Iterable[object]) -> list[str]:
    """The names of the settings in a table of the configuration."""
    names = flat(settings)
    prefix = "".join(f"{part}." for part in above)
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
