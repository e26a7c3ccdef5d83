"""Where an export comes to lie: what is refused or fails leaves what was there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weft.errors import AdapterError, ConfigError, TrainingError
from weft.release import certificate, fresh
from weft.release.export import Wanted, export
from weft.release.usage import Target

from ..cli.command import tree
from .conftest import LABELS, Model

WITHIN = certificate.Tolerance(logits=None, labels=0)


@pytest.fixture
def wanted(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    """An export onto a passing one, which stands alone in its parent folder; no new process: what
    is loaded answers nothing but zeros."""

    def zeros(_: Target, __: str, ___: object, texts: list[str], ____: object) -> fresh.Answered:
        return fresh.Answered(np.zeros((len(texts), len(LABELS))), {"none": "0"})

    monkeypatch.setattr("weft.release.export.answer", zeros)
    own = Wanted(model(), "peft", tmp_path / "shelf" / "out", "out")
    with monkeypatch.context() as lenient:
        lenient.setattr("weft.release.export.FLOAT", WITHIN)
        assert export(own).passed
    assert "Passed: on 256" in (own.out / "README.md").read_text(encoding="utf-8")
    return own


def left_alone(own: Wanted, before: dict[str, bytes]) -> None:
    assert tree(own.out) == before
    assert [path.name for path in own.out.parent.iterdir()] == ["out"], "nothing else is left"


def test_a_passing_one_takes_the_place_of_another(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.release.export.FLOAT", WITHIN)
    wanted.out.chmod(0o750)
    assert export(replace(wanted, target="merged")).passed
    names = {path.name for path in wanted.out.iterdir()}
    assert "adapter_config.json" not in names
    assert {"model.safetensors", "certificate.json", "README.md"} <= names
    assert wanted.out.stat().st_mode & 0o777 == 0o750
    left_alone(wanted, tree(wanted.out))


def test_one_that_fails_its_certificate_leaves_the_one_that_passed(wanted: Wanted) -> None:
    before = tree(wanted.out)
    assert not export(replace(wanted, target="merged")).passed
    left_alone(wanted, before)


def test_one_that_fails_its_certificate_is_not_kept(wanted: Wanted) -> None:
    before = tree(wanted.out)
    assert not export(replace(wanted, out=wanted.out.parent / "new" / "deep")).passed
    left_alone(wanted, before)


def test_one_that_cannot_be_loaded_leaves_what_was_there(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> fresh.Answered:
        raise TrainingError("the export cannot be loaded", remedy="")

    monkeypatch.setattr("weft.release.export.answer", fail)
    before = tree(wanted.out)
    with pytest.raises(TrainingError, match="cannot be loaded"):
        export(wanted)
    left_alone(wanted, before)


def test_one_that_is_refused_leaves_what_was_there(model: Model, wanted: Wanted) -> None:
    before = tree(wanted.out)
    with pytest.raises(AdapterError, match="counts words"):
        export(replace(wanted, model=model("tfidf"), target="merged"))
    left_alone(wanted, before)


def test_a_place_that_cannot_be_taken_gets_back_what_it_held(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail(self: Path, to: Path) -> Path:
        if to == wanted.out.resolve() and not self.name.startswith("before-"):
            raise OSError("the disk")
        return rename(self, to)

    monkeypatch.setattr("weft.release.export.FLOAT", WITHIN)
    monkeypatch.setattr(Path, "rename", fail)
    before = tree(wanted.out)
    with pytest.raises(OSError, match="the disk"):
        export(replace(wanted, target="merged"))
    left_alone(wanted, before)


@pytest.mark.parametrize(
    ("out", "said"), [("", "is the folder"), ("..", "holds the folder"), ("new", "lies in")]
)
def test_the_models_own_folder_is_never_written_to(wanted: Wanted, out: str, said: str) -> None:
    before = tree(wanted.out)
    # the model is an export itself: without a look at where it lies its folder may be replaced
    with pytest.raises(ConfigError, match=said) as refused:
        export(replace(wanted, model=wanted.out, out=wanted.out / out))
    assert "--out" in refused.value.remedy
    left_alone(wanted, before)


def test_a_link_to_the_models_own_folder_is_seen_through(wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(wanted.out)
    before = tree(wanted.out)
    with pytest.raises(ConfigError, match="is the folder of the model"):
        export(replace(wanted, model=wanted.out, out=tmp_path / "link"))
    left_alone(wanted, before)


def test_the_encoder_is_not_replaced(
    wanted: Wanted, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.release.export.FLOAT", WITHIN)
    encoder = wanted.out.parent / "encoder"
    shutil.copytree(model().parent / "encoder", encoder)
    for name in ("certificate.json", "README.md"):  # as if it were an export itself
        shutil.copyfile(wanted.out / name, encoder / name)
    written = certificate.Certificate.model_validate_json(
        (encoder / "certificate.json").read_text(encoding="utf-8")
    )
    listed = written.model_copy(
        update={"files": certificate.hashes(encoder, ("certificate.json", "README.md"))}
    )
    (encoder / "certificate.json").write_text(listed.model_dump_json(), encoding="utf-8")
    before = tree(encoder)
    with pytest.raises(ConfigError, match="holds the encoder"):
        export(replace(wanted, out=encoder, backbone=str(encoder)))
    assert tree(encoder) == before


def test_what_else_lies_in_an_earlier_export_is_not_deleted(wanted: Wanted) -> None:
    (wanted.out / "notes.txt").write_text("mine", encoding="utf-8")
    before = tree(wanted.out)
    with pytest.raises(ConfigError, match="neither empty") as refused:
        export(wanted)
    assert refused.value.found == "notes.txt"
    left_alone(wanted, before)


def test_the_folder_that_one_stands_in_is_not_taken_away(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(wanted.out)
    before = tree(wanted.out)
    with pytest.raises(ConfigError, match="typed in"):
        export(replace(wanted, out=Path()))
    left_alone(wanted, before)
