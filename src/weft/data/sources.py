"""From a name, a file or a folder to labelled text, all faults found before any model loads."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Literal

from weft.config import DataSettings
from weft.data.assemble import assemble
from weft.data.examples import Examples, LabelledText
from weft.data.hub import read_hub
from weft.data.readers import FORMATS, read_bytes, read_file
from weft.data.roles import Role, files_of
from weft.data.table import Table
from weft.errors import ConfigError, DataError, did_you_mean

__all__ = ["Examples", "LabelledText", "load"]

_SST2_HUB = ("nyu-mll/glue", "sst2")
_SST2_LABELS = {"0": "negative", "1": "positive"}
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(/[\w.-]+)?")


def load(settings: DataSettings) -> LabelledText:
    """Reads the labelled text that the settings name.

    Raises:
        DataError: it cannot be read or cannot be used; names file, line and remedy.
        ConfigError: `folder` is set for something that is not a preset of files.
    """
    source = settings.source
    if settings.folder is not None and source != "sst2":
        raise ConfigError(
            f"folder is set, but {source!r} is not read from one.",
            found=f"folder {settings.folder!r}",
            remedy="Give the folder itself as the data, or leave it out; it belongs to 'sst2'.",
        )
    if source == "demo":
        return _demo(settings)
    if source == "sst2":
        return _sst2(settings)
    path, kind = _looked_up(source)
    if kind == "file":
        table = read_file(path)
        return assemble(_safe(path.stem), {"train": table}, settings, f"Read from {path}.")
    if kind == "folder":
        tables = _read_folder(path)
        name = _safe(path.resolve().name)
        return assemble(name, tables, settings, f"Read from the folder {path}.")
    if not _HUB_NAME.fullmatch(source) or path.suffix.lower() in FORMATS or source[0] in "./~":
        raise DataError(
            f"{source[:200]}: no such file or folder"
            f"{did_you_mean(source[:200], _near(path)) or '.'}",
            remedy="Check the path; or give 'demo', 'sst2' or a hub name such as "
            "nyu-mll/glue/sst2.",
        )
    return _hub(source, settings)


def _looked_up(source: str) -> tuple[Path, Literal["file", "folder", None]]:
    """The path that a source names, and what is there; a pipe or a device counts as a file, since
    reading it says what is wrong with that."""
    path = Path(source)
    try:
        path = path.expanduser()
        if path.is_dir():
            return path, "folder"
        return path, "file" if source and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, or of nobody's home
        return path, None


def _near(path: Path) -> list[str]:
    """What a misspelled path may have meant: the presets, and what lies beside it."""
    try:
        beside = [str(path.with_name(one.name)) for one in path.parent.iterdir()]
    except (OSError, ValueError):
        beside = []
    return ["demo", "sst2", *beside]


def _demo(settings: DataSettings) -> LabelledText:
    folder = resources.files("weft.data").joinpath("demo")
    roles: tuple[Role, ...] = ("train", "validation", "test")
    tables: dict[Role, Table] = {
        role: read_bytes(folder.joinpath(f"{role}.tsv").read_bytes(), ".tsv", f"demo/{role}.tsv")
        for role in roles
    }
    own = {"text": settings.text or "text", "label": settings.label or "label"}
    settings = settings.model_copy(update=own)
    return assemble("demo", tables, settings, "The demo reviews that come with weft.")


def _sst2(settings: DataSettings) -> LabelledText:
    """GLUE's SST-2: train trains, the 872 of validation test; GLUE's own test has no labels."""
    if settings.folder is None:
        tables, origin = read_hub(*_SST2_HUB), "GLUE SST-2 from the hub, nyu-mll/glue, sst2."
    else:
        folder = Path(settings.folder).expanduser()
        if not folder.is_dir():
            raise DataError(
                f"{folder}: no such folder.",
                remedy="Give the folder of GLUE's train.tsv and dev.tsv, or none for the hub.",
            )
        tables, origin = _read_folder(folder, skip="test"), f"GLUE SST-2 from {folder}."
    tables.pop("test", None)
    if "validation" not in tables:
        raise DataError(
            f"{settings.folder}: SST-2's dev.tsv is missing.",
            found="only a training file",
            remedy="Put GLUE's dev.tsv beside train.tsv; it is the test set of the study.",
        )
    data = assemble("sst2", tables, settings, origin, rename=_SST2_LABELS)
    if data.label_names != tuple(_SST2_LABELS.values()):
        raise DataError(
            "These are not the labels of GLUE SST-2.",
            found=", ".join(map(repr, data.label_names)),
            remedy="SST-2 has 0 (negative) and 1 (positive); give other data by their own path.",
        )
    return data


def _hub(source: str, settings: DataSettings) -> LabelledText:
    owner, name, *config = source.split("/")
    tables = read_hub(f"{owner}/{name}", config[0] if config else None)
    origin = f"The hub's {source}."
    return assemble(_safe("-".join([name, *config])), tables, settings, origin)


def _read_folder(folder: Path, skip: Role | None = None) -> dict[Role, Table]:
    return {role: read_file(path) for role, path in files_of(folder).items() if role != skip}


def _safe(name: str) -> str:
    """A name that every file system takes as a folder's."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "data"
