"""Every row is checked, and a fault names its file, its line and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from weft.data.sources import LabelledText
from weft.errors import DataError

Write = Callable[..., Path]
Read = Callable[..., LabelledText]
Refused = Callable[..., DataError]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("text,label\n", ["holds no examples"]),
        ("text,label\na,x\nb,x\n", ["same label", "2 times the label 'x'", "two classes"]),
        ("text,label\na,x\n ,y\n", ["line 3", "is blank", "delete the line"]),
        ("text,label\na,x\n,y\n", ["line 3", "is blank"]),
        ('text,label\n"a\n\nb",x\n"\n\n",y\n', ["line 5", "is blank"]),
        ("text,label\na,x\nb,\n", ["line 3", "label", "is missing", "delete the line"]),
        ("words,label\na,x\nb,y\n", ["line 1", "no text column", "'words', 'label'"]),
        ("text,label\na,x\nb,y\n", ["too few examples", "2 examples of 2 classes"]),
    ],
)
def test_csv(write: Write, refused: Refused, content: str, parts: list[str]) -> None:
    refused(write("data.csv", content), "data.csv", *parts)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('{"text": "a", "label": 1}\n{"text": null, "label": 0}\n', ["line 2", "text", "missing"]),
        ('{"text": "a", "label": 1}\n{"label": 0}\n', ["line 2", "text", "missing"]),
        ('{"text": "a", "label": 1}\n{"text": "b"}\n', ["line 2", "label", "missing"]),
        ('{"text": "a", "label": 1}\n{"text": 7, "label": 0}\n', ["line 2", "not a string", "int"]),
        ('{"text": "a", "label": [1]}\n', ["line 1", "neither a string nor an integer", "[1]"]),
        ('{"text": "a", "label": 0.5}\n', ["line 1", "0.5", "--label NAME"]),
        ('{"text": "a\\u0000", "label": 0}\n{"text": "b", "label": 1}\n', ["line 1", "NUL"]),
        ('{"text": "\\ud800", "label": 0}\n{"text": "b", "label": 1}\n', ["line 1", "surrogate"]),
    ],
)
def test_json_lines(write: Write, refused: Refused, content: str, parts: list[str]) -> None:
    refused(write("data.jsonl", content), "data.jsonl", *parts)


def test_parquet(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "data.parquet"
    rows = {"text": ["a", "b", None], "label": [0.0, 1.0, 1.0]}
    pyarrow.parquet.write_table(pyarrow.table(rows), path)
    refused(path, "data.parquet, row 3", "is missing", "delete the row")


def test_the_second_text_of_a_pair_is_checked(write: Write, refused: Refused) -> None:
    path = write("data.tsv", "premise\thypothesis\tlabel\na\tb\tx\nc\t\ty\n")
    refused(path, "line 3", "'hypothesis'", "is blank")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_train_lacks(
    write: Write, refused: Refused, csv_of: Callable[..., str], split: str
) -> None:
    folder = write("set/train.csv", csv_of()).parent
    write("set/test.csv", csv_of())
    write("set/validation.csv", csv_of())
    write(f"set/{split}.csv", "text,label\na,pos\nb,neg\nc,maybe\n")
    refused(folder, f"{split}.csv, line 4", "'maybe'", "'neg', 'pos'", "Correct the label")


@pytest.mark.parametrize("content", ["text,label\n", "text,class\na,pos\n", "words,label\na,pos\n"])
def test_faults_of_another_split(
    write: Write, refused: Refused, csv_of: Callable[..., str], content: str
) -> None:
    folder = write("set/train.csv", csv_of()).parent
    write("set/test.csv", content)
    refused(folder, "test.csv", "column")


def test_texts_are_stripped_and_labels_too(write: Write, read: Read) -> None:
    body = "".join(f" text {i} \t{'ab'[i % 2]} \n" for i in range(20))
    data = read(write("data.tsv", "sentence\tlabel\n" + body))
    assert all(text == text.strip() for text in data.train.texts)
    assert data.label_names == ("a", "b")


def test_boolean_and_whole_number_labels(write: Write, read: Read) -> None:
    lines = [f'{{"text": "t {i}", "label": {["true", "false"][i % 2]}}}\n' for i in range(20)]
    data = read(write("data.jsonl", "".join(lines)))
    assert data.label_names == ("false", "true")
    assert data.positive == 1
