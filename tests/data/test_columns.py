"""Columns are found by usual names or given; doubt is refused with the columns that exist."""

from __future__ import annotations

import pytest

from weft.config import DataSettings
from weft.data.columns import Columns, find_columns
from weft.data.table import Table
from weft.errors import DataError


def table(*names: str) -> Table:
    return Table("f.csv", names, lambda _: [], [])


@pytest.mark.parametrize(
    ("names", "settings", "expected"),
    [
        (("text", "label"), {}, ("text", None, "label")),
        (("id", "Sentence", "LABEL", "idx"), {}, ("Sentence", None, "LABEL")),
        (("text", "category"), {}, ("text", None, "category")),
        (("review", "sentiment"), {}, ("review", None, "sentiment")),
        (("index", "sentence1", "sentence2", "label"), {}, ("sentence1", "sentence2", "label")),
        (("premise", "hypothesis", "label"), {}, ("premise", "hypothesis", "label")),
        (("question", "sentence", "label"), {}, ("question", "sentence", "label")),
        (("question", "label"), {}, ("question", None, "label")),
        (("a", "b", "c"), {"text": "B", "label": "c"}, ("b", None, "c")),
        (("a", "b", "c"), {"text": "a", "text_pair": "b", "label": "c"}, ("a", "b", "c")),
        (("text", "review", "label"), {"text": "review"}, ("review", None, "label")),
        (("text", "label", "target"), {"label": "target"}, ("text", None, "target")),
        (("title", "text", "y"), {"text_pair": "title"}, ("text", "title", "y")),
        (("premise", "hypothesis", "y"), {"text": "premise"}, ("premise", None, "y")),
        (("text1", "text2", "y"), {"text_pair": "text2"}, ("text1", "text2", "y")),
        (("class", "label", "text"), {"text": "class"}, ("class", None, "label")),
        (("title", "text"), {"label": "title"}, ("text", None, "title")),
        (("Text", "text", "label"), {"text": "text"}, ("text", None, "label")),
    ],
)  # fmt: skip
def test_found(
    names: tuple[str, ...], settings: dict[str, str], expected: tuple[str, str | None, str]
) -> None:
    assert find_columns(table(*names), DataSettings.model_validate(settings)) == Columns(*expected)


@pytest.mark.parametrize(
    ("names", "settings", "parts"),
    [
        (("words", "label"), {}, ["no text column", "'words', 'label'", "--text NAME"]),
        (("text", "stars"), {}, ["no label column", "'text', 'stars'", "--label NAME"]),
        (("text", "review", "label"), {}, ["several", "'text', 'review'", "--text NAME"]),
        (("text", "text1", "text2", "y"), {}, ["several", "'text', 'text1', 'text2'"]),
        (("text", "label", "class"), {}, ["several", "'label', 'class'", "--label NAME"]),
        (("text", "label"), {"text": "body"}, ["no column 'body'", "'text', 'label'"]),
        (("text", "label"), {"label": "y"}, ["no column 'y' for the label", "'text', 'label'"]),
        (("text", "label"), {"text_pair": "b"}, ["no column 'b'", "--text-pair NAME"]),
        (("text", "text", "label"), {}, ["several"]),
        (("text", "text", "label"), {"text": "text"}, ["more than one column 'text'"]),
        (("Text", "TEXT", "label"), {"text": "text"}, ["more than one column 'text'"]),
        (("text", "label"), {"text": "label", "label": "label"}, ["cannot serve twice"]),
        (("text", "label"), {"text": "text", "text_pair": "text"}, ["cannot serve twice"]),
        (("text;label",), {}, ["'text;label'", "semicolons"]),
        (("it 's good", "1"), {}, ["header line"]),
    ],
)
def test_refused(names: tuple[str, ...], settings: dict[str, str], parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        find_columns(table(*names), DataSettings.model_validate(settings))
    assert "f.csv, line 1: " in str(caught.value)
    for part in parts:
        assert part in str(caught.value)
