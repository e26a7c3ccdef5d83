"""Named studies, and how a user's settings are laid over them. No torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from weft.config import StudyConfig
from weft.data.nearby import nearest_path
from weft.errors import ConfigError
from weft.study.axes import named
from weft.study.faults import validated
from weft.study.trees import Tree, flat, is_tree, merged

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
"""The demo reviews on the packaged encoder: minutes on a small machine."""

PRESETS: dict[str, Tree] = {"sst2": SST2, "demo": DEMO}

PUBLISHED: dict[str, dict[str, float | str]] = {
    "1000": {"loss": 0.364, "accuracy": 0.852},
    "8000": {"loss": 0.247, "accuracy": 0.896},
    "56000": {"loss": 0.234, "accuracy": 0.915},
}
"""Test figures in the published notebook (bert-base-uncased, one seed). Its README states 0.329 /
87.3 % / 0.875, 0.240 / 90.6 % / 0.906 and 0.172 / 93.5 % / 0.934; the last is the score on the
1,000 validation examples that chose the checkpoint."""


def resolve(data: str, over: Mapping[str, Any]) -> StudyConfig:
    """The configuration of a study of `data`, which is a preset, a TOML file, or labelled text.

    Args:
        data: what the user named.
        over: settings given besides, as a tree like the configuration's; None means not given.

    Raises:
        ConfigError: names every setting that cannot be used.
    """
    return validated(laid_over(data, over))


def laid_over(data: str, over: Mapping[str, Any]) -> Tree:
    """The tree of settings that `resolve` validates.

    Raises:
        ConfigError: a TOML file cannot be read.
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
    return merged(_grid_named(base), _grid_named(over))


def _grid_named(tree: Mapping[str, Any]) -> Tree:
    """The tree with its grid by the names of settings, so that two grids meet axis by axis."""
    grid = tree.get("grid")
    return {**tree, "grid": named(grid)} if is_tree(grid) else dict(tree)


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


def to_toml(config: StudyConfig) -> str:
    """The configuration as TOML that `weft study FILE.toml` takes; what is left open is absent."""
    import tomli_w

    return tomli_w.dumps(_without_none(config.model_dump(mode="json")))


def _without_none(tree: Mapping[str, Any]) -> Tree:
    return {
        str(key): _without_none(value) if is_tree(value) else value
        for key, value in tree.items()
        if value is not None
    }


def _read_toml(path: Path) -> Tree:
    try:
        # a spreadsheet's or Windows' byte order mark is no fault of the settings
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError):
            raise ConfigError(
                f"{str(path)[:200]} cannot be read: {error.strerror or error}",
                remedy=f"check the path{nearest_path(str(path))}",
            ) from error
        raise ConfigError(
            f"{path} is not TOML",
            found=f"tables within tables, too many ({error})"
            if isinstance(error, RecursionError)
            else str(error),
            remedy="`--show-config` prints a right one",
        ) from error


def _name(data: str) -> str:
    """A study's name made of what its data are called."""
    stem = Path(data).stem if Path(data).suffix else Path(data).name
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in stem.lower())
    return plain[:60].strip("-.") or "study"


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, cast("Sequence[object]", value)))
    if is_tree(value):
        return ", ".join(f"{key}: {below}" for key, below in value.items()) or "none"
    return "left open" if value is None else str(value)
