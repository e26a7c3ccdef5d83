"""Exit codes: 0, 1 failed, 2 usage, 130 interrupted and resumable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.cli.command import SMALL, Said, weft

from weft.errors import (
    AdapterError,
    BackboneError,
    ConfigError,
    DataError,
    StudyError,
    TrainingError,
    WeftError,
)
from weft.methods.base import Item, Materials, MethodEvent
from weft.methods.tfidf import Tfidf
from weft.study.ledger import Ledger

COMMAND = ("study", "reviews.csv", *SMALL, "--methods", "tfidf")


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("study", "--help"), ("train", "-h")])
def test_help_is_0(words: tuple[str, ...]) -> None:
    said = weft(*words)
    assert (said.code, said.err) == (0, "")
    assert "Usage: weft" in said.out


def test_help_names_every_command() -> None:
    said = weft("--help")
    for command in ("study", "train", "predict", "report", "doctor"):
        assert f" {command} " in said.out


def test_the_version_is_told() -> None:
    said = weft("--version")
    assert said.code == 0, said.err
    assert said.out.startswith("weft ")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("studdy",), "studdy"),
        (("study", "demo", "--epoch"), "--epoch"),
        (("study", "demo", "--epochs", "three"), "--epochs"),
        (("study",), "missing argument"),
        (("predict", "there", "--format", "xml"), "xml"),
        (("study", "no-such.csv"), "no-such.csv: no such file or folder"),
        (("study", "demo", "--backbone", "./no-such"), "no-such"),
    ],
)
def test_a_wrong_usage_is_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = weft(*words)
    assert (said.code, said.out) == (2, "")
    assert part in said.err.lower()
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ConfigError, 2),
        (DataError, 2),
        (BackboneError, 2),
        (AdapterError, 2),
        (StudyError, 1),
        (TrainingError, 1),
    ],
)
def test_each_error_has_its_code_and_is_told_whole(
    monkeypatch: pytest.MonkeyPatch, kind: type[WeftError], code: int
) -> None:
    def fail(*_: object) -> None:
        raise kind("it is wrong", found="this", remedy="do that")

    monkeypatch.setattr("weft.study.presets.resolve", fail)
    said = weft("study", "demo")
    assert said.code == code
    assert said.err == "error: it is wrong\n  found:  this\n  remedy: do that\n"


class Interrupted:
    """TF-IDF until the third run, then Ctrl-C."""

    def __init__(self, _name: str, materials: Materials) -> None:
        self._method = Tfidf(materials)

    def run(self, items: Sequence[Item], _before: object) -> Iterator[MethodEvent]:
        yield from self._method.run(items[:2])
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("predict", "m", "good"), "weft.classifier.load"),
        (("study", "reviews.csv", "--dry-run"), "weft.cli.dry_run.print_plan"),
        (("check", "reviews.csv"), "weft.data.sources.load"),
        (("check", "reviews.csv", "--labels", "--labels-by", "probe"), "weft.data.sources.load"),
    ],
)
@pytest.mark.usefixtures("fresh")
def test_what_cannot_go_on_does_not_say_so(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], where: str
) -> None:
    monkeypatch.setattr(where, _stop)
    assert weft(*words) == Said(130, "", "\ninterrupted\n")


@pytest.mark.usefixtures("fresh")
def test_a_search_for_label_errors_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.data.sources.load", _stop)
    said = weft("check", "reviews.csv", "--labels")
    assert said.code == 130
    assert said.err.endswith("goes on from where it was:\n  weft check reviews.csv --labels\n")


def _stop(*_: object, **_named: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("no_figures")
@pytest.mark.usefixtures("fresh")
def test_an_interrupted_study_is_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, begun: list[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("weft.methods.make", Interrupted)
        said = weft(*COMMAND)
    assert (said.code, said.out) == (130, "")
    assert "Traceback" not in said.err
    assert "interrupted" in said.err
    assert said.err.rstrip().splitlines()[-1].strip() == f"weft {' '.join(COMMAND)}"
    with Ledger(Path("weft-studies/reviews-tiny/ledger.sqlite"), readonly=True) as ledger:
        assert sorted(ledger.statuses().values()) == ["done", "done", "planned", "planned"]

    assert len(begun) == 2
    said = weft(*COMMAND)
    assert said.code == 0, said.err
    assert len(begun) == len(set(begun)) == 4
