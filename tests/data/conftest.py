"""Helpers of the data tests: files written on the spot, and the real sets where they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from weft.config import DataSettings
from weft.data.sources import LabelledText, load
from weft.errors import DataError

Write = Callable[..., Path]
Refused = Callable[..., DataError]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(name, content) puts a file into the test's folder; str is written as UTF-8."""

    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture
def refused() -> Refused:
    """refused(path, *parts, **settings): loading fails, and the error holds all the parts."""

    def check(source: Path | str, *parts: str, **settings: object) -> DataError:
        with pytest.raises(DataError) as caught:
            load(DataSettings.model_validate({"source": str(source), **settings}))
        error = caught.value
        for part in parts:
            assert part in str(error), f"{part!r} not in:\n{error}"
        assert error.remedy
        return error

    return check


@pytest.fixture
def read() -> Callable[..., LabelledText]:
    """read(path, **settings): the labelled text."""

    def run(source: Path | str, **settings: object) -> LabelledText:
        return load(DataSettings.model_validate({"source": str(source), **settings}))

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the real data sets: WEFT_DATA, else ../shared/data beside the repository."""
    beside = Path(__file__).parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("WEFT_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data sets: {folder} is absent (WEFT_DATA names another folder)")
    return folder


def many(count: int = 40, labels: tuple[str, ...] = ("neg", "pos")) -> list[tuple[str, str]]:
    """Rows (text, label), labels in turn."""
    return [(f"text {i}", labels[i % len(labels)]) for i in range(count)]


@pytest.fixture
def csv_of() -> Callable[..., str]:
    """csv_of(count, labels): a CSV of `many` rows."""

    def build(count: int = 40, labels: tuple[str, ...] = ("neg", "pos")) -> str:
        rows = [f"{text},{label}" for text, label in many(count, labels)]
        return "\n".join(["text,label", *rows]) + "\n"

    return build
