"""`weft.json` is read back as written, and refused when newer or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weft.errors import AdapterError
from weft.export import card

CARD = card.ModelCard(
    method="lora",
    labels=("neg", "größer"),
    positive=1,
    backbone=card.BackboneCard(
        name="minilm", revision=None, sha256="ab", pooling="mean", max_length=128
    ),
)


def test_round_trip(tmp_path: Path) -> None:
    card.write(tmp_path, CARD)
    assert card.read(tmp_path) == CARD


def test_newer_is_refused(tmp_path: Path) -> None:
    raw = json.loads(CARD.model_dump_json()) | {"schema_version": card.SCHEMA + 1, "more": True}
    (tmp_path / card.FILE).write_text(json.dumps(raw))
    with pytest.raises(AdapterError, match="newer weft") as caught:
        card.read(tmp_path)
    assert f"schema {card.SCHEMA + 1}" in str(caught.value)
    assert "upgrade" in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schema_version": "x"}', '{"schema_version": 1}', "\x00"]
)
def test_damaged_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / card.FILE).write_text(text)
    with pytest.raises(AdapterError):
        card.read(tmp_path)


def test_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"no weft\.json"):
        card.read(tmp_path)
