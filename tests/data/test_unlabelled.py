"""Texts to be labelled: a plain file's lines, or a column of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from weft.data import unlabelled
from weft.errors import DataError

Write = Callable[..., Path]


def read_texts(
    path: Path, column: str | None, pair: str | None
) -> tuple[list[str], list[str] | None]:
    """All texts, batch by batch: batches of two, so that there are several."""
    texts: list[str] = []
    pairs: list[str] = []
    found = unlabelled.read_texts(path, column, pair)
    for first, second in found.batches(2):
        texts += first
        pairs += second or []
    return texts, None if found.seconds is None else pairs


@pytest.mark.parametrize("name", ["texts.txt", "texts", "texts.log"])
def test_a_plain_file_holds_one_text_a_line(write: Write, name: str) -> None:
    path = write(name, 'good, "quoted"\n\n  \nsecond\ttext\r\nlast')
    assert read_texts(path, None, None) == (['good, "quoted"', "second\ttext", "last"], None)


def test_only_line_breaks_end_a_line(write: Write) -> None:
    texts = ["one\u2028line", "a\x0bpage\x0cbreak", "next\x85line"]
    path = write("texts.txt", "\n".join(texts))
    assert read_texts(path, None, None) == (texts, None)


def test_a_byte_order_mark_is_no_text(write: Write) -> None:
    assert read_texts(write("texts.txt", "\ufeffgood\n"), None, None) == (["good"], None)


def test_an_empty_plain_file_holds_no_text(write: Write) -> None:
    assert read_texts(write("texts.txt", ""), None, None) == ([], None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'id,Text\n1,"good, and\nlong"\n2,bad\n'),
        ("t.jsonl", '{"id": 1, "Text": "good, and\\nlong"}\n{"id": 2, "Text": "bad"}\n'),
    ],
)
def test_a_table_has_its_text_found_by_name(write: Write, name: str, content: str) -> None:
    assert read_texts(write(name, content), None, None) == (["good, and\nlong", "bad"], None)


def test_columns_are_named(write: Write) -> None:
    path = write("t.tsv", "text\tother\tthird\na\tb\tc\nd\te\tf\n")
    assert read_texts(path, None, None) == (["a", "d"], None)
    assert read_texts(path, "other", None) == (["b", "e"], None)
    assert read_texts(path, "other", "third") == (["b", "e"], ["c", "f"])
    assert read_texts(path, None, "third") == (["a", "d"], ["c", "f"])


def refused(path: Path, *parts: str, column: str | None = None, pair: str | None = None) -> None:
    with pytest.raises(DataError) as caught:
        read_texts(path, column, pair)
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.remedy


def test_what_cannot_be_read_is_refused(write: Write, tmp_path: Path) -> None:
    refused(tmp_path / "none.txt", "none.txt")
    refused(tmp_path / "none.csv", "none.csv")
    refused(tmp_path, str(tmp_path))
    refused(write("t.txt", b"good\n\xff\xfe bad\n"), "t.txt")


def test_a_column_that_is_not_there_is_refused(write: Write) -> None:
    path = write("t.csv", "a,b\n1,2\n")
    refused(path, "'a', 'b'", "--text")
    refused(path, "'a'", "no", column="no")
    refused(path, "no", column="a", pair="no")
    refused(write("two.csv", "text,sentence\n1,2\n"), "'text', 'sentence'", "--text")


def test_columns_of_a_file_without_any_are_refused(write: Write) -> None:
    path = write("texts.txt", "good\n")
    refused(path, "texts.txt", "--text", column="text")
    refused(path, "texts.txt", "--text-pair", pair="second")


@pytest.mark.parametrize("cell", ["", "  "])
def test_a_blank_text_is_refused_by_its_line(write: Write, cell: str) -> None:
    refused(write("t.csv", f"text,other\ngood,1\n{cell},2\n"), "t.csv, line 3", "'text'")
    refused(write("p.csv", f"text,other\ngood,1\nbad,{cell}\n"), "line 3", "'other'", pair="other")


def test_a_text_that_is_none_is_refused(write: Write) -> None:
    refused(write("t.jsonl", '{"text": "good"}\n{"text": null}\n'), "line 2")
    refused(write("n.jsonl", '{"text": "good"}\n{"text": 7}\n'), "line 2", "7")
