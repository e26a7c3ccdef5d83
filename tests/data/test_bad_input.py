"""What people hand over that is no data set: the right rows, or an error with place and remedy."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from weft.data.content import spooled
from weft.data.decoding import LONGEST
from weft.data.readers import read_bytes, read_file
from weft.data.sources import LabelledText
from weft.data.unlabelled import lines_in, read_texts
from weft.errors import DataError

Write = Callable[..., Path]
Read = Callable[..., LabelledText]
Refused = Callable[..., DataError]

ROWS = 60


def lines(labels: tuple[object, ...], text: str = "text") -> str:
    """JSON Lines with these labels in turn."""
    return "".join(
        json.dumps({"text": f"{text} {k}", "label": labels[k % len(labels)]}) + "\n"
        for k in range(ROWS)
    )


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


# What is read right


def test_texts_of_every_script_and_a_megabyte_long(write: Write, read: Read) -> None:
    told = [
        "שלום, עולם",
        "مرحبا\u200f!",
        "😀👨‍👩‍👧‍👦",
        "naïve\u2028café",
        "two\r\nlines",
        '"quoted"',
    ]
    texts = [f"{told[k % len(told)]} {k}" for k in range(ROWS)] + ["x y" * 350_000, "ж" * 1_000_000]
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("text", "label"), *((t, k % 2) for k, t in enumerate(texts))])
    data = read(write("d.csv", file.getvalue()))
    assert {*data.train.texts, *data.test.texts, *(data.validation or data.test).texts} == set(
        texts
    )
    limit = csv.field_size_limit()
    assert limit == 131_072  # the module's own, left as it was


def test_a_text_pasted_by_lines_is_one(write: Write) -> None:
    table = read_file(write("d.csv", 'text,label\n"a\n\nb\rc",x\nd,y\n'))
    assert list(table.column("text")) == ["a\n\nb\rc", "d"]
    assert list(table.positions) == [2, 6]


def test_columns_nobody_asks_for_may_be_called_alike(write: Write, read: Read) -> None:
    rows = "".join(f"t {k},u,v,{k % 2}\n" for k in range(ROWS))
    assert read(write("d.csv", "text,x,x,label\n" + rows)).label_names == ("0", "1")


# What is refused


@pytest.mark.parametrize(
    ("name", "raw", "parts"),
    [
        ("d.csv", "text,label\na,x\n".encode("utf-32"), ["line 1", "UTF-32", "UTF-8"]),
        ("d.csv", "文,标\n".encode("utf-16-le"), ["line 1", "not UTF-8"]),
        ("d.csv", "text,label\n".encode("utf-16-be"), ["line 1", "NUL", "UTF-16"]),
        ("d.csv", "text,label\nnaïve,x\n".encode("cp1252"), ["line 2", "0xef", "offset 13"]),
        ("d.csv", gzip.compress(b"text,label\n", mtime=0), ["gzip", "Unpack"]),
        ("d.tsv", bz2.compress(b"text\tlabel\n"), ["bzip2", "Unpack"]),
        ("d.jsonl", lzma.compress(b"{}\n"), ["xz", "Unpack"]),
        ("d.csv", zipped(), ["zip", ".xlsx"]),
        ("d.csv.gz", gzip.compress(b"text,label\n", mtime=0), ["'.gz'", "Unpack"]),
        ("d.csv", b"text,label\na\rb,x\n", ["line 2", "1 field"]),
        ("d.csv", b"text,text,label\na,b,x\n", ["line 1", "'text', 'text'"]),
        ("d.jsonl", b'{"text": "a", "label": 1}\n{"text": "b", "text": "c"}', ["line 2", "twice"]),
        ("d.jsonl", b"[" * 100_000, ["line 1", "not valid JSON"]),
        ("d.jsonl", b'{"text": ' + b"9" * 5000 + b"}", ["line 1", "not valid JSON"]),
        ("d.csv", b'text,label\n"' + (b"a" * 99 + b"\n") * (LONGEST // 99), ["line 2", "quoted"]),
        ("d.tsv", b"text\tlabel\n" + b"a" * (LONGEST + 9), ["line 2", "longer than 16,777,216"]),
    ],
)  # fmt: skip
def test_what_is_no_table(
    write: Write, refused: Refused, name: str, raw: bytes, parts: list[str]
) -> None:
    refused(write(name, raw), name, *parts)


@pytest.mark.parametrize(
    ("labels", "parts"),
    [
        ((1, "0"), ["line 2", "a string, but a number in line 1"]),
        (("true", True), ["line 2", "a truth value, but a string in line 1"]),
        ((0, False), ["line 2", "a truth value"]),
        (("a", "\ud800"), ["line 2", "no name can have", "\\ud800"]),
        (("a", "b\0"), ["line 2", "no name can have"]),
        (("a", "b\nc"), ["line 2", "no name can have"]),
        (("a", "b\u2028c"), ["line 2", "no name can have"]),
        (("a", "b", "a\u200b"), ["line 3", "reads like another", "'a' in line 1"]),
        (("caf\u00e9", "b", "cafe\u0301"), ["line 3", "reads like another"]),
        (("1", "0", "1.0"), ["line 3", "reads like another", "'1' in line 1"]),
        (("a", "b", "a  c", "a c"), ["line 4", "reads like another"]),
        (("a", 0.5), ["line 2", "neither a string nor an integer"]),
        (("a", {"b": 1}), ["line 2", "neither a string nor an integer"]),
        (("a", None), ["line 2", "is missing"]),
    ],
)
def test_labels_that_are_no_classes(
    write: Write, refused: Refused, labels: tuple[object, ...], parts: list[str]
) -> None:
    refused(write("d.jsonl", lines(labels)), "d.jsonl", *parts)


def test_a_name_that_is_not_there_is_told_with_the_nearest(
    write: Write, refused: Refused, csv_of: Callable[..., str]
) -> None:
    path = write("d.csv", csv_of())
    refused(path, "did you mean text?", text="txt")
    refused(path, "did you mean label?", label="lable")
    refused(path, "did you mean pos?", positive="poss")
    refused(path.with_name("b.csv"), "no such file", "did you mean", "d.csv")
    refused("dmeo", "did you mean demo?")
    write("f/train.csv", csv_of())
    write("f/test.csv", "text,label\na,poz\n")
    refused(path.with_name("f"), "test.csv, line 2", "did you mean pos?")


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-this-name/d.csv", "a\0b", "/dev/nowhere"])
def test_names_that_no_file_has(refused: Refused, name: str) -> None:
    refused(name, "no such file or folder")


def test_an_error_is_no_longer_than_one_reads(write: Write, refused: Refused) -> None:
    long = "x" * 100_000
    table = ",".join([long, *(f"c{k}" for k in range(3000))])
    assert len(str(refused(write("a.csv", f"{table}\n"), "label"))) < 4000
    assert len(str(refused(write("b.csv", f"text,label\n{long},a,b\n"), "3 fields"))) < 1000
    assert len(str(refused(write("c.jsonl", f"[{long}]"), "line 1"))) < 1000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes that have names")
def test_a_pipe_is_no_file_to_split(tmp_path: Path, refused: Refused) -> None:
    os.mkfifo(tmp_path / "d.csv")
    refused(tmp_path / "d.csv", "neither a file nor a folder")


def test_a_folder_that_may_not_be_read(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "d" / "train.csv").mkdir(parents=True)
    refused(tmp_path / "d", "no training split")
    (tmp_path / "d" / "train.csv").rmdir()
    (tmp_path / "d" / "train.csv").symlink_to("train.csv")
    refused(tmp_path / "d", "no training split")


@pytest.mark.parametrize("change", ["longer", "another"])
def test_a_file_that_changes_while_it_is_read(write: Write, change: str) -> None:
    path = write("d.csv", "text,label\na,x\nb,y\n")
    table = read_file(path)
    assert list(table.column("label")) == ["x", "y"]
    if change == "longer":
        with path.open("a") as file:
            file.write("c,z\n")
    else:
        other = write("e.csv", "text,label\na,x\nb,z\n")
        other.replace(path)
    with pytest.raises(DataError, match="has changed while it was read"):
        list(table.column("label"))
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        list(table.column("label"))


def test_parquet_that_is_damaged_far_down(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    texts = pyarrow.table({"text": [f"text {k}" for k in range(5000)]})
    pyarrow.parquet.write_table(texts, path, row_group_size=1000, write_page_checksum=True)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 255
    path.write_bytes(raw)
    table = read_file(path)
    with pytest.raises(DataError, match=r"from row (1025|2049)") as caught:
        list(table.column("text"))
    assert "d.parquet" in caught.value.problem


def test_parquet_with_texts_that_are_none() -> None:
    buffers = [
        None,
        pyarrow.py_buffer(bytes([0, 0, 0, 0, 2, 0, 0, 0])),
        pyarrow.py_buffer(b"\xff\xfe"),
    ]
    broken = pyarrow.Array.from_buffers(pyarrow.string(), 1, buffers)
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": broken}), file)
    table = read_bytes(file.getvalue(), ".parquet", "f")
    with pytest.raises(DataError, match="from row 1"):
        list(table.column("text"))


# Texts to label


def test_texts_from_a_pipe_are_read_as_those_of_a_file() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write("good\n\n早安\n".encode())
    with os.fdopen(reader, "rb") as file:
        texts = lines_in(spooled(file, "standard input"))
    for _ in range(2):  # as often as one likes
        assert [batch for batch, _ in texts.batches(1)] == [["good"], ["早安"]]


def test_a_fault_far_down_is_told_before_any_text_is_labelled(write: Write) -> None:
    path = write("t.txt", b"good\n" * 10_000 + b"\xff\n")
    with pytest.raises(DataError, match=r"t\.txt, line 10001"):
        read_texts(path, None, None)
    path = write("t.jsonl", b'{"text": "good"}\n' * 5000 + b'{"text": ""}\n')
    with pytest.raises(DataError, match=r"t\.jsonl, line 5001"):
        read_texts(path, None, None)


# Large files

_WEIGH = """
import sys
import pyarrow.parquet
from tests.peak import peak_memory
from weft.config import DataSettings
from weft.data.sources import load
before = peak_memory()
data = load(DataSettings(source=sys.argv[1]))
print(peak_memory() - before, len(data.train))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what a process held at most is Linux's to say")
@pytest.mark.parametrize(
    ("suffix", "least"),
    [
        (".csv", 45 << 20),
        *(
            pytest.param(suffix, least, marks=pytest.mark.slow)
            for suffix, least in ((".jsonl", 45 << 20), (".parquet", 45 << 20), (".csv", 1 << 30))
        ),
    ],
)
def test_a_large_file_is_not_held_whole(tmp_path: Path, suffix: str, least: int) -> None:
    """50 MB and a gigabyte, of which a study needs less than one MB."""
    path, rows = tmp_path / f"d{suffix}", 2_000
    note = "lorem ipsum " * (least // rows // 12 + 1)
    if suffix == ".parquet":
        schema = pyarrow.schema([(n, pyarrow.string()) for n in ("note", "text", "label")])
        with pyarrow.parquet.ParquetWriter(path, schema, compression="none") as parquet:
            for begin in range(0, rows, 200):
                part = range(begin, begin + 200)
                columns = [[f"{note}{k}" for k in part], [f"text {k}" for k in part],
                           [str(k % 2) for k in part]]  # fmt: skip
                parquet.write_table(pyarrow.table(columns, schema=schema))
    else:
        with path.open("w") as file:
            file.write("note,text,label\n" if suffix == ".csv" else "")
            for k in range(rows):
                row = {"note": note, "text": f"text {k}", "label": str(k % 2)}
                line = ",".join(row.values()) if suffix == ".csv" else json.dumps(row)
                file.write(f"{line}\n")
    size = path.stat().st_size
    assert size > least
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", _WEIGH, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, str(Path(root, "src"))])},
    )
    grown, examples = map(int, done.stdout.split())
    assert examples == 1400
    path.unlink()
    print(f"{suffix}: {size >> 20} MiB read in {grown / 2**20:.1f} MiB")
    assert grown < 20 << 20
