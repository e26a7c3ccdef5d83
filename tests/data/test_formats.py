"""Each format is read as it is meant, and each fault is refused with file, line and remedy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from weft.data.readers import read_bytes, read_file
from weft.data.table import Table
from weft.errors import DataError


def cells(table: Table, name: str) -> list[object]:
    return list(table.column(name))


def test_csv_is_quoted_and_counts_physical_lines() -> None:
    raw = b'text,label\r\n"a, ""b""\r\n\r\nc",x\r\nd,y\r\n'
    table = read_bytes(raw, ".csv", "f.csv")
    assert cells(table, "text") == ['a, "b"\r\n\r\nc', "d"]
    assert cells(table, "label") == ["x", "y"]
    assert [table.place(row) for row in range(2)] == ["f.csv, line 2", "f.csv, line 5"]
    assert table.sha256 == hashlib.sha256(raw).hexdigest()


def test_tsv_is_never_quoted() -> None:
    raw = 'sentence\tlabel\n"he said ""no\t0\nhe said, \u2028 "yes"\t1\n'
    table = read_bytes(raw.encode(), ".tsv", "f.tsv")
    assert cells(table, "sentence") == ['"he said ""no', 'he said, \u2028 "yes"']
    assert list(table.positions) == [2, 3]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_line_ends_and_byte_order_mark(end: str, suffix: str) -> None:
    tab = "," if suffix == ".csv" else "\t"
    text = end.join([f"text{tab}label", f"a{tab}x", f"b{tab}y", "", ""])
    table = read_bytes(b"\xef\xbb\xbf" + text.encode(), suffix, "f")
    assert table.names == ("text", "label")
    assert cells(table, "text") == ["a", "b"]
    assert list(table.positions) == [2, 3]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json_lines(suffix: str) -> None:
    raw = '{"text": "a\\nb", "label": 1}\n{"label": 0, "text": "c", "more": null}\n\n'
    table = read_bytes(raw.encode(), suffix, "f")
    assert table.names == ("text", "label", "more")
    assert cells(table, "text") == ["a\nb", "c"]
    assert cells(table, "label") == [1, 0]
    assert cells(table, "more") == [None, None]


def test_parquet_counts_rows(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", None], "label": [0, 1]}), path)
    table = read_file(path)
    assert table.names == ("text", "label")
    assert cells(table, "text") == ["a", None]
    assert table.place(1) == f"{path}, row 2"
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("suffix", "raw", "parts"),
    [
        (".csv", b"", ["f", "is empty"]),
        (".csv", b"\n\n", ["f", "is empty"]),
        (".jsonl", b"\n", ["f", "is empty"]),
        (".csv", b"text,label\na,x\nb\n", ["f, line 3", "1 field where the header has 2"]),
        (".csv", b"text,label\na,x\nb,y,z\n", ["f, line 3", "3 fields", "b | y | z", "quote"]),
        (".csv", b"text,label\na,x\n\nb,y\n", ["f, line 3", "0 fields", "an empty line"]),
        (".tsv", b"text\tlabel\na\tx\nb\n", ["f, line 3", "1 field where"]),
        (".tsv", b"text\tlabel\r\na\tx\r\nb\ty\tz\r\n", ["f, line 3", "3 fields"]),
        (".csv", b'text,label\na,x\n"b,y\nc,z\n', ["f, line 3", "not valid CSV", "quot"]),
        (".csv", b'text,label\n"a\nb",x\n"c"d,y\n', ["f, line 4", "not valid CSV"]),
        (".tsv", b"text\tlabel\nna\xefve\tx\n", ["f, line 2", "0xef at byte offset 13", "UTF-8"]),
        (".csv", b"\xef\xbb\xbftext\r\n\r\n\xff", ["f, line 3", "0xff at byte offset 11"]),
        (".csv", "text,label\na,x\n".encode("utf-16"), ["f, line 1", "UTF-16", "UTF-8"]),
        (".tsv", b"text\tlabel\na\tx\nb\0\ty\n", ["f, line 3", "NUL", "byte offset 16"]),
        (".csv", b"\xef\xbb\xbftext,label\r\n\0,x\r\n", ["f, line 2", "byte offset 15"]),
        (".jsonl", b'{"text": "a"}\nnot json\n', ["f, line 2", "not valid JSON", "JSON Lines"]),
        (".jsonl", b'{"text": "a"}\n\n{"text": "b"}\n', ["f, line 2", "an empty line"]),
        (".json", b'[\n{"text": "a"}\n]\n', ["f, line 1", "not valid JSON", "JSON Lines"]),
        (".json", b'[{"text": "a"}]\n', ["f, line 1", "not a JSON object", "list"]),
        (".parquet", b"PAR1 and no more", ["f", "not a Parquet file"]),
        (".xlsx", b"", ["f", "'.xlsx'", ".csv, .tsv"]),
    ],
)
def test_faults_of_a_format(suffix: str, raw: bytes, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read_bytes(raw, suffix, "f")
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.remedy


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_file(tmp_path / "absent.csv")


def test_all_formats_give_the_same_data(
    write: Callable[..., Path], read: Callable[..., object]
) -> None:
    rows = [(f"text, number {i}", ("no", "yes")[i % 2]) for i in range(40)]
    tables = {
        "d.csv": "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows),
        "d.tsv": "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows),
        "d.jsonl": "".join(
            json.dumps({"text": text, "label": label}) + "\n" for text, label in rows
        ),
    }
    paths = [write(name, content) for name, content in tables.items()]
    paths.append(paths[0].with_name("d.parquet"))
    columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    pyarrow.parquet.write_table(pyarrow.table(columns), paths[-1])
    loaded = [read(path) for path in paths]
    for data in loaded:
        assert data.name == "d"
        assert data.label_names == ("no", "yes")
        assert data.train.texts == loaded[0].train.texts
        assert data.test.labels.tolist() == loaded[0].test.labels.tolist()
    assert len({next(iter(data.hashes.values())) for data in loaded}) == 4
