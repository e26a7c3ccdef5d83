"""Named studies, and how a user's settings are laid over them. No torch."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, cast

from pydantic import ValidationError

from weft.config import StudyConfig
from weft.data.sizes import sizes_of
from weft.errors import ConfigError
from weft.study.axes import named, typed, untouched

Tree = dict[str, Any]

IDLE = frozenset(("name", "target", "data.folder", "bank.slots"))
"""Settings by dotted name that change no run, so that they are free in a study that was begun."""

SST2: Tree = {
    "name": "sst2",
    "data": {"source": "sst2", "validation_size": 1000, "balance": "balanced"},
    "backbone": {"name": "bert-base-uncased", "pooling": "cls", "max_length": 512},
    "sizes": [1000, 8000, 56000],
    "seeds": 1,
    "methods": ["lora"],
    "lora": {
        "r": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.1,
        "bias": "none",
        "target_modules": ["query", "value"],
    },
    "recipe": {
        "learning_rate": 5e-4,
        "batch_size": 32,
        "epochs": 5,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "patience": 2,
        "min_steps": 0,
        "evaluations": 20,
    },
}
"""The published notebook study of LoRA on SST-2, every setting that decides its outcome spelled
out, so that no changed default can change it."""

DEMO: Tree = {
    "name": "demo",
    "data": {"source": "demo"},
    "backbone": {"name": "minilm"},
    "sizes": [50, 100, 200, 400, 800],
    "seeds": 3,
    "methods": ["lora", "probe", "tfidf"],
}
"""The demo reviews on the packaged encoder: a minute or two on a small machine."""

PRESETS: dict[str, Tree] = {"sst2": SST2, "demo": DEMO}

PUBLISHED: dict[str, dict[str, float | str]] = {
    "1000": {"loss": 0.364, "accuracy": 0.852},
    "8000": {"loss": 0.247, "accuracy": 0.896},
    "56000": {"loss": 0.234, "accuracy": 0.915},
}
"""Test figures in the published notebook (bert-base-uncased, one seed). Its README states 0.329 /
87.3 % / 0.875, 0.240 / 90.6 % / 0.906 and 0.172 / 93.5 % / 0.934; the last is the score on the
1,000 validation examples that chose the checkpoint."""


def merged(base: Tree, over: Mapping[str, Any]) -> Tree:
    """`over` laid on `base`, table by table; None in `over` leaves the base as it is."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        below = result.get(key)
        if _is_tree(value) and _is_tree(below) and key != "seeds_at":
            result[key] = merged(dict(below), value)
        elif _is_tree(value) and key != "seeds_at":
            result[key] = merged({}, value)
        else:
            result[key] = value
    return result


def resolve(data: str, over: Mapping[str, Any]) -> StudyConfig:
    """The configuration of a study of `data`, which is a preset, a TOML file, or labelled text.

    Args:
        data: what the user named.
        over: settings given besides, as a tree like the configuration's; None means not given.

    Raises:
        ConfigError: names every setting that cannot be used.
    """
    if data in PRESETS:
        base = PRESETS[data]
    elif data.endswith(".toml"):
        base = _read_toml(Path(data))
        source = base.get("data", {}).get("source") if isinstance(base.get("data"), dict) else None
        if source in PRESETS and base.get("name", source) == source:
            base = merged(PRESETS[str(source)], base)
        base.setdefault("name", _name(str(source or "demo")))
    else:
        base = {
            "data": {"source": data},
            "name": _name(data),
            "methods": ["lora", "probe", "tfidf"],
        }
    return validated(merged(_grid_named(base), _grid_named(over)))


def _grid_named(tree: Mapping[str, Any]) -> Tree:
    """The tree with its grid by the names of settings, so that two grids meet axis by axis."""
    grid = tree.get("grid")
    return {**tree, "grid": named(grid)} if _is_tree(grid) else dict(tree)


def validated(tree: Tree) -> StudyConfig:
    """The configuration that a tree of settings describes; `sizes` may stand as typed.

    Raises:
        ConfigError: one message for all faults, with the nearest right name for unknown ones.
    """
    config, faults = None, list[str]()
    tree, amiss = _spelled_out(tree)
    try:
        config = StudyConfig.model_validate(tree)
    except ValidationError as error:
        faults = [_fault(dict(item)) for item in error.errors()]
        odd = {item["loc"][0] for item in error.errors()}
        sound = {key: value for key, value in tree.items() if key not in odd and key in _GRID}
        faults += _faults_between(StudyConfig.model_validate(sound))
    else:
        faults = _faults_between(config)
    if config is None or faults or amiss:
        raise ConfigError(
            "These settings cannot be used: " + "; ".join([*amiss, *faults]),
            remedy="mend them; `weft study DATA --show-config` prints all settings there are",
        )
    return config


_GRID = ("sizes", "seeds", "seeds_at", "methods")


def _spelled_out(tree: Tree) -> tuple[Tree, list[str]]:
    """The tree with sizes and grid that stand as typed made numbers, and what is wrong there."""
    faults: list[str] = []
    grid = tree.get("grid")
    if _is_tree(grid):
        axes, faults = typed(named(grid))
        tree = {**tree, "grid": axes}
        recipe = tree.get("recipe", {})
        if "recipe.epochs" in axes and _is_tree(recipe):
            # as for one number of epochs: who names them wants just so many
            tree["recipe"] = {"min_steps": 0, **recipe}
    sizes = tree.get("sizes")
    if not isinstance(sizes, str):
        return tree, faults
    rest = {key: value for key, value in tree.items() if key != "sizes"}
    try:
        return {**rest, "sizes": list(sizes_of(sizes))}, faults
    except ConfigError as error:
        return rest, [*faults, f"{error.problem} (found {error.found}; {error.remedy})"]


def _faults_between(config: StudyConfig) -> list[str]:
    """What is wrong with settings of the grid that are right each by itself."""
    faults: list[str] = []
    sizes, methods = config.sizes, config.methods
    if sizes is not None and (sorted(set(sizes)) != list(sizes) or not sizes):
        shown = ", ".join(map(str, sizes)) or "none"
        faults.append(f"sizes must ascend and not repeat, e.g. 250,1000,4000 (found {shown})")
    odd = sorted(set(config.seeds_at) - set(sizes or ()))
    if odd:
        faults.append(f"seeds_at names {odd[0]}, which is not among the sizes")
    if not methods or len(set(methods)) != len(methods):
        shown = ", ".join(methods) or "none"
        faults.append(f"methods must be named once each, at least one (found {shown})")
    return faults + untouched(config)


def departures(config: StudyConfig) -> list[str]:
    """What differs from the preset whose name the study's data bear, a line each."""
    preset = PRESETS.get(config.data.source)
    if preset is None:
        return []
    published = StudyConfig.model_validate(preset)
    ours, theirs = flat(config.model_dump()), flat(published.model_dump())
    skip = IDLE | {"bank.strip_width", "bank.device", "bank.exact"}
    return [
        f"{key}: {_shown(ours.get(key))} instead of {_shown(theirs.get(key.removeprefix('grid.')))}"
        for key in ours
        if key not in skip and ours[key] != theirs.get(key)
    ]


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree's leaves by dotted name."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if _is_tree(value) and key != "seeds_at":
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


def to_toml(config: StudyConfig) -> str:
    """The configuration as TOML that `weft study FILE.toml` takes; what is left open is absent."""
    import tomli_w

    return tomli_w.dumps(_without_none(config.model_dump(mode="json")))


def _is_tree(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether settings lie below; their keys are strings, as those of TOML and keywords are."""
    return isinstance(value, Mapping)


def _without_none(tree: Mapping[str, Any]) -> Tree:
    return {
        str(key): _without_none(value) if _is_tree(value) else value
        for key, value in tree.items()
        if value is not None
    }


def _read_toml(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", remedy="check the path"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not TOML", found=str(error), remedy="`--show-config` prints a right one"
        ) from error


def _name(data: str) -> str:
    stem = Path(data).stem if Path(data).suffix else Path(data).name
    return (
        "".join(c if c.isalnum() or c in "-_." else "-" for c in stem.lower()).strip("-.")
        or "study"
    )


def _fault(error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']} (found {error['input']!r})"
    settings = StudyConfig().model_dump()
    known = [*settings, *(key.rpartition(".")[2] for key in flat(settings))]
    near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
    return f"{where}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, cast("Sequence[object]", value)))
    if _is_tree(value):
        return ", ".join(f"{key}: {below}" for key, below in value.items()) or "none"
    return "left open" if value is None else str(value)
