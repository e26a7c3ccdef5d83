"""From what was asked for, `tensorboard=FOLDER` or `mlflow=URI`, to trackers ready to be told."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from weft.errors import ConfigError
from weft.tracking.tracker import Board, Tracker

_NEEDS = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
}
"""By the tracker's name, the packages of its extra."""


@contextmanager
def trackers(asked: Sequence[str], folder: Path) -> Generator[Callable[[object], None]]:
    """What a study tells is handed on to every tracker that was asked for.

    Args:
        asked: `tensorboard` or `mlflow`, each with a place of its own behind `=` where the study's
            folder is not the place.
        folder: the study's.

    Raises:
        ConfigError: no such tracker, or its library is not installed.
    """
    told = [Tracker(partial(_board, name, place, folder)) for name, place in _checked(asked)]

    def tell(event: object) -> None:
        for tracker in told:
            tracker.take(event)

    try:
        yield tell
    finally:
        for tracker in told:
            tracker.close()


def _checked(asked: Iterable[str]) -> list[tuple[str, str]]:
    wanted: list[tuple[str, str]] = []
    unknown: list[str] = []
    missing: list[str] = []
    for text in asked:
        name, _, place = text.partition("=")
        wanted.append((name, place))
        if name not in _NEEDS:
            unknown.append(text)
        elif any(find_spec(package) is None for package in _NEEDS[name]):
            missing.append(name)
    if unknown:
        raise ConfigError(
            "runs are logged to tensorboard or mlflow",
            found=", ".join(map(repr, unknown)),
            remedy="--log-to tensorboard, --log-to tensorboard=FOLDER, --log-to mlflow or "
            "--log-to mlflow=URI",
        )
    if missing:
        extras = ",".join(dict.fromkeys(missing))
        raise ConfigError(
            f"--log-to {missing[0]} needs a package that is not installed",
            remedy=f"pip install 'weft[{extras}]', or leave the option out",
        )
    return wanted


def _board(name: str, place: str, folder: Path) -> Board:
    if name == "tensorboard":
        from weft.tracking.tensorboard import TensorBoard

        return TensorBoard(Path(place) if place else folder / "tensorboard")
    from weft.tracking.mlflow import MLflow

    return MLflow(place or f"sqlite:///{(folder / 'mlflow.db').resolve()}", folder.name)
