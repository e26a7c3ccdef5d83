"""A study's data read again: texts, and a check that is kept without any text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weft.study.facts import facts_of
from weft.study.ground import CONFIG
from weft.study.ledger import Ledger
from weft.study.presets import resolve, to_toml
from weft.study.reread import CHECK, kept_as, reread
from weft.study.runner import open_data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of 200 reviews that has not begun to train."""
    data = tmp_path / "reviews.csv"
    lines = [f"secret text {k} word{k % 7},{'good' if k % 2 else 'bad'}" for k in range(200)]
    data.write_text("text,label\n" + "\n".join(lines) + "\n")
    config = resolve(str(data), {"sizes": [20], "methods": ["tfidf"]})
    place = tmp_path / "study"
    with Ledger(place / "ledger.sqlite") as ledger:
        ledger.set_facts(facts_of(open_data(config), "weft study"))
    (place / CONFIG).write_text(to_toml(config))
    return place


def test_texts_are_those_of_test(folder: Path) -> None:
    found = reread(folder)
    assert found.missing == ""
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        assert found.texts is not None
        assert len(found.texts) == ledger.facts()["data"]["test"]
    assert all("secret text" in text for text in found.texts)


def test_what_is_kept_holds_no_text(folder: Path) -> None:
    first = reread(folder, texts=False)
    assert first.texts is None
    assert b"secret" not in kept_as(first)
    (folder / CHECK).write_bytes(kept_as(first))
    (folder.parent / "reviews.csv").unlink()
    again = reread(folder, texts=False)
    assert again.check == json.loads(kept_as(first))["audit"]
    assert again.missing == "", "nothing was to be read"


def test_data_that_are_gone_or_changed(folder: Path) -> None:
    data = folder.parent / "reviews.csv"
    whole = data.read_text()
    data.write_text(whole + "one more,good\n")
    assert "hashes differ" in reread(folder).missing
    data.unlink()
    gone = reread(folder)
    assert "reviews.csv" in gone.missing
    assert (gone.texts, gone.check) == (None, None)
    data.write_text(whole)
    (folder / CONFIG).unlink()
    assert "study.toml" in reread(folder).missing


def test_a_kept_check_of_other_data_is_not_used(folder: Path) -> None:
    kept = json.loads(kept_as(reread(folder)))
    (folder / CHECK).write_text(json.dumps(kept | {"hashes": {"a": "b"}, "audit": {}}))
    found = reread(folder)
    assert found.check
