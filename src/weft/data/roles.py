"""Which file or split trains, selects and tests, by the names they usually have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from weft.data.readers import FORMATS
from weft.errors import DataError

Role = Literal["train", "validation", "test"]
ROLES: dict[Role, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "validation_matched"),
    "test": ("test", "testing", "test_matched"),
}


def assign_roles(names: Iterable[str], where: str) -> dict[Role, str]:
    """Split names by what they are for; other names are left out.

    Raises:
        DataError: two names have one role, or none trains.
    """
    names = list(names)
    roles: dict[Role, str] = {}
    for role, usual in ROLES.items():
        hits = [name for name in names if Path(name).stem.casefold() in usual]
        if len(hits) > 1:
            raise DataError(
                f"{where} has more than one {role} split.",
                found=", ".join(hits),
                remedy="Keep one of them there, or give a single file.",
            )
        if hits:
            roles[role] = hits[0]
    if "train" not in roles:
        raise DataError(
            f"{where} has no training split.",
            found=", ".join(names)[:300] or "nothing that weft reads",
            remedy="Name the files train, validation (or dev) and test, as "
            f"{', '.join(FORMATS)}; or give a single file, which is then split.",
        )
    return roles


def files_of(folder: Path) -> dict[Role, Path]:
    """Files of a folder by role.

    Raises:
        DataError: it cannot be read, or its files' names give no training split.
    """
    try:
        known = (path for path in folder.iterdir() if path.suffix.lower() in FORMATS)
        found = sorted(path for path in known if path.is_file())
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read.",
            found=error.strerror or str(error),
            remedy="Check the folder and its permissions.",
        ) from error
    names = assign_roles([path.name for path in found], str(folder))
    return {role: folder / name for role, name in names.items()}
