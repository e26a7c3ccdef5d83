"""Where an export comes to lie: made beside it, put there when it is good, else nothing changes."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from weft.errors import ConfigError
from weft.release import model_card
from weft.release.certificate import FILE, Certificate

_OTHER = "name another folder with --out"


def check_place(out: Path, model: Path) -> None:
    """Refuses a folder whose content an export must not replace.

    Raises:
        ConfigError: it is a file, the model's folder or around or inside it, where this process
            stands, or it holds something else than an earlier export.
    """
    place, own = out.resolve(), model.resolve()
    if place == own or place in own.parents or own in place.parents:
        how = "is" if place == own else "holds" if place in own.parents else "lies in"
        raise ConfigError(
            f"{out} {how} the folder of the model that is to be exported",
            found=f"the model's: {model}",
            remedy=f"{_OTHER}: an export never touches its model",
        )
    if place.exists() and not place.is_dir():
        raise ConfigError(f"{out} is a file", remedy="name a folder with --out")
    if place == Path.cwd():
        raise ConfigError(
            f"{out} is the folder that this command was typed in",
            found="an export takes the place of its folder",
            remedy="name a folder inside it or elsewhere with --out",
        )
    others = _others(place) if place.is_dir() else []
    if others:
        raise ConfigError(
            f"{out} is neither empty nor an earlier export alone",
            found=", ".join(others[:4]),
            remedy=_OTHER,
        )


def check_encoder(out: Path, encoder: Path) -> None:
    """Refuses to replace what the model is computed from.

    Raises:
        ConfigError: the folder is the encoder's, or holds it.
    """
    place, own = out.resolve(), encoder.resolve()
    if place == own or place in own.parents:
        raise ConfigError(
            f"{out} holds the encoder that the model needs", found=str(encoder), remedy=_OTHER
        )


@contextmanager
def room_beside(out: Path) -> Generator[Path]:
    """A new folder of the same name, on the same disk; it is gone at the end, unless put there."""
    place = out.resolve()
    near = next(folder for folder in place.parents if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix=".weft-export-", dir=near) as holder:
        made = Path(holder, place.name)
        made.mkdir()
        yield made


def put(made: Path, out: Path) -> None:
    """Moves what `room_beside` gave to where it belongs, in the place of what is there."""
    place = out.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    before = made.with_name(f"before-{place.name}")
    had = place.exists()
    if had:
        made.chmod(place.stat().st_mode & 0o777)
        place.rename(before)
    try:
        made.rename(place)
    except OSError:
        if had:
            before.rename(place)
        raise


def _others(place: Path) -> list[str]:
    """Names that no earlier export accounts for."""
    known: set[str] = set()
    if (place / FILE).is_file():
        try:
            text = (place / FILE).read_text(encoding="utf-8")
            known = {FILE, model_card.FILE, *Certificate.model_validate_json(text).files}
        except (UnicodeDecodeError, ValidationError):
            pass  # then nobody knows what is what
    return sorted(path.name for path in place.iterdir() if path.name not in known)
