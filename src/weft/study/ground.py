"""What a study's folder holds against what is asked of it now: settings, data, backbone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from weft.config import DataSettings, StudyConfig
from weft.data.readers import FORMATS
from weft.errors import StudyError
from weft.study.choice import LEDGER
from weft.study.ledger import Ledger
from weft.study.presets import IDLE
from weft.study.trees import flat
from weft.study.variants import variants

if TYPE_CHECKING:
    from weft.nn.source import Source

CONFIG = "study.toml"
ORIGIN = "origin"
"""The fact that says what the run follows from where it is given, not planned."""


def begun(folder: Path) -> bool:
    """Whether a run of the folder's study has begun; until then its settings are free."""
    if not (folder / LEDGER).is_file() or (folder / LEDGER).stat().st_size == 0:
        return False
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        return bool(set(ledger.statuses().values()) - {"planned"})


def settings_of(folder: Path) -> StudyConfig | None:
    """The configuration of the study in the folder; None if it says none."""
    from weft.study.presets import resolve

    path = folder / CONFIG
    return resolve(str(path), {}) if path.exists() else None


def same_settings(
    config: StudyConfig, before: StudyConfig | None, folder: Path, precision: str
) -> StudyConfig:
    """The configuration with its precision, held against the one that lies in the folder.

    Sizes, seeds, methods and the grid may change; all else decides what the runs in the folder are.
    A method's own settings are free as long as no run of it was planned.

    Raises:
        StudyError: something that is not free differs.
    """
    backbone = config.backbone.model_copy(update={"precision": precision})
    config = config.model_copy(update={"backbone": backbone})
    if before is None:
        return config
    there, now = flat(before.model_dump()), flat(config.model_dump())
    free = IDLE | {"sizes", "seeds", "seeds_at", "methods"}
    free |= {key for key in now if key.startswith("grid.")}
    free |= {f"{method}.learning_rate" for method in {"bitfit", "full"} - _planned(folder)}
    odd = [key for key in now if key not in free and now[key] != there.get(key)]
    if odd:
        raise StudyError(
            f"{folder} holds a study with other settings",
            found="; ".join(f"{k}: {there.get(k)} there, {now[k]} asked for" for k in odd),
            remedy="give another folder with --out, or the same settings to go on with it",
        )
    return config


def same_ground(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Holds the hashes of data and backbone, and what a run that is given follows from, against
    those that the study began with.

    Raises:
        StudyError: one differs.
    """
    for part, key, what in (
        ("data", "hashes", "the data"),
        ("backbone", "sha256", "the backbone's weights"),
        ("backbone", "hashes", "the backbone's configuration, tokenizer or pooling"),
    ):
        old, new = before.get(part, {}).get(key), now.get(part, {}).get(key)
        if old is not None and new is not None and old != new:
            raise StudyError(
                f"{what} are not those that the study in {folder} began with",
                found=_differing(new, old),
                remedy="put the old ones back, or begin another study with --out",
            )
    there, here = before.get(ORIGIN), now.get(ORIGIN)
    if there is not None and here is not None and there != here:
        odd = [key for key in here if here[key] != there.get(key)]
        raise StudyError(
            f"the training that was stopped in {folder} follows from something else",
            found="; ".join(f"{key}: {there.get(key)} there, {here[key]} now" for key in odd),
            remedy="give another folder with --out, or put the study back as it was, or delete "
            f"{folder} to begin anew",
        )


def changed_since(settings: DataSettings, hashes: dict[str, str]) -> list[str]:
    """The data's files that are no longer as they were read; those of a hub do not change.

    What trains is what was read: a later change has no part in it, but there may be no copy left.
    """
    place = settings.folder if settings.source == "sst2" else settings.source
    if place is None or settings.source == "demo":
        return []
    path = Path(place).expanduser()
    files = {
        name: path if path.name == name else path / name
        for name in hashes
        if Path(name).suffix in FORMATS  # else a hub's split
    }
    return [name for name, file in files.items() if _digest(file) != hashes[name]]


def encoder_fits(config: StudyConfig, source: Source, classes: int) -> None:
    """Refuses, before anything is written and before weights are read, an encoder that cannot read
    texts as the settings say, or that has no layer for an adapter.

    Raises:
        BackboneError: its tokenizer or its positions do not serve.
        ConfigError: no layer bears a name that an adapter asks for.
    """
    from weft.nn.backbone import tokenizer_of
    from weft.nn.fitness import max_length_of
    from weft.nn.shapes import target_names
    from weft.nn.skeleton import skeleton

    every = [own.config for method in config.methods for own in variants(config, method)]
    readings = {one.backbone: one for one in every}
    adapters = [one.lora for one in every if one.lora.target_modules is not None]
    for settings in readings:
        here = settings.model_copy(update={"name": str(source.folder)})
        model, head, _ = skeleton(here, classes)
        max_length_of(source.name, model, tokenizer_of(source, model), settings.max_length)
        if {"lora", "probe"} & set(config.methods):
            for lora in adapters:
                target_names(model, lora, head)


def _planned(folder: Path) -> set[str]:
    """The methods that the folder's ledger knows a run of."""
    if not (folder / LEDGER).is_file():
        return set()
    with Ledger(folder / LEDGER, readonly=True) as ledger:
        return {key.method for key in ledger.keys()}  # noqa: SIM118 (a ledger is no dict)


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _differing(now: Any, there: Any) -> str:
    """Of two hashes, or of the hashes of files, what is not the same."""
    if not (isinstance(now, dict) and isinstance(there, dict)):
        return f"sha256 {_short(now)}; there {_short(there)}"
    here, before = cast("dict[str, Any]", now), cast("dict[str, Any]", there)
    odd = [name for name in sorted({*here, *before}) if here.get(name) != before.get(name)]
    each = (f"{name} {_short(here.get(name))}, there {_short(before.get(name))}" for name in odd)
    return f"sha256 of {'; '.join(each)}"


def _short(digest: Any) -> str:
    return "absent" if digest is None else str(digest)[:12]
