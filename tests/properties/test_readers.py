"""What is written is read back, whatever the texts; any bytes at all are read or refused."""

from __future__ import annotations

import csv
import io
import json
from itertools import accumulate

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from weft.data import decoding
from weft.data.content import content_in
from weft.data.readers import read_bytes
from weft.data.table import Table
from weft.data.unlabelled import lines_in
from weft.errors import DataError

anything = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
texts = st.text(anything, max_size=20)
inline = st.text(
    st.characters(exclude_characters="\0\t\r\n", exclude_categories=("Cs",)), max_size=20
)
tables = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)
flat_tables = st.lists(st.tuples(inline, inline), min_size=1, max_size=8)


def cells(table: Table) -> list[tuple[object, ...]]:
    return list(zip(*(table.column(name) for name in table.names), strict=True))


@given(tables, st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(deadline=None)
def test_csv_is_read_as_it_was_written(rows: list[tuple[str, str]], end: str, mark: bool) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["text", "label"])
    starts: list[int] = []
    for row in rows:
        written = file.getvalue().replace("\r\n", "\n").replace("\r", "\n")
        starts.append(written.count("\n") + 1)
        writer.writerow(row)
    table = read_bytes(b"\xef\xbb\xbf" * mark + file.getvalue().encode(), ".csv", "f")
    assert cells(table) == rows
    assert list(table.positions) == starts


@given(flat_tables, st.sampled_from(["\n", "\r\n", "\r"]))
@settings(deadline=None)
def test_tsv_is_read_as_it_was_written(rows: list[tuple[str, str]], end: str) -> None:
    lines = ["text\tlabel", *("\t".join(row) for row in rows)]
    table = read_bytes(end.join(lines).encode(), ".tsv", "f")
    assert cells(table) == rows
    assert list(table.positions) == list(range(2, len(rows) + 2))


@given(tables, st.booleans())
@settings(deadline=None)
def test_json_lines_are_read_as_they_were_written(
    rows: list[tuple[str, str]], ascii_only: bool
) -> None:
    lines = [json.dumps({"a": a, "b": b}, ensure_ascii=ascii_only) for a, b in rows]
    assert cells(read_bytes("\n".join(lines).encode(), ".jsonl", "f")) == rows


@given(tables)
@settings(deadline=None, max_examples=30)
def test_parquet_is_read_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    file = io.BytesIO()
    # the second column's name begins as the first's does, as that of a field within it would
    table = pyarrow.table({"a.b": [b for _, b in rows], "a": [a for a, _ in rows]})
    pyarrow.parquet.write_table(table, file)
    found = read_bytes(file.getvalue(), ".parquet", "f")
    assert cells(found) == [(b, a) for a, b in rows]


@given(st.lists(inline, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
@settings(deadline=None)
def test_a_plain_file_is_read_as_it_was_written(lines: list[str], end: str) -> None:
    content = content_in(end.join(lines).encode(), "f")
    found = [text for batch, _ in lines_in(content).batches(3) for text in batch]
    # a byte order mark at the very beginning is no text
    first = lines[:1] and [lines[0].removeprefix("\ufeff")]
    assert found == [line for line in [*first, *lines[1:]] if line.strip()]


def told(refusal: DataError) -> None:
    assert refusal.problem.startswith("f")
    assert refusal.remedy


@given(st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]), st.binary(max_size=60))
@example(".csv", b'"')
@example(".jsonl", b"[" * 60)
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_read_or_refused(suffix: str, raw: bytes) -> None:
    try:
        table = read_bytes(raw, suffix, "f")
        rows = cells(table)
    except DataError as refusal:
        told(refusal)
    else:
        assert len(rows) == len(table)
        assert sorted(set(table.positions)) == list(table.positions)


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", "é".encode(), "😀".encode()])),
       st.sampled_from([b"\0", b"\xff", b"\xc3", b"\xf0\x9f", b"\xed\xa0\x80"]),
       st.binary(max_size=6))  # fmt: skip
@settings(deadline=None)
def test_the_first_byte_that_is_no_text_is_named(
    before: list[bytes], fault: bytes, after: bytes
) -> None:
    """However the file is cut into blocks: here into three bytes each."""
    good = b"".join(before)
    # a blank after it, since more bytes might make a character of it
    raw = good + fault + b" " + after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_BLOCK", 3)
        with pytest.raises(DataError) as caught:
            list(decoding.lines_of(io.BytesIO(raw), "f"))
    line = 1 + good.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
    assert caught.value.problem.startswith(f"f, line {line}:")
    assert caught.value.found == f"byte 0x{fault[0]:02x} at byte offset {len(good)}"


@given(st.lists(st.sampled_from(["a", "\n", "\r", "\r\n", "\u2028", "é"])))
@settings(deadline=None)
def test_lines_are_all_of_the_text(parts: list[str]) -> None:
    whole = "".join(parts)
    lines = list(decoding.lines_of(io.BytesIO(whole.encode()), "f"))
    assert "".join(lines) == whole
    ends = list(accumulate(map(len, lines)))
    assert all(whole[end - 1] in "\r\n" for end in ends[:-1])
    assert all(line.rstrip("\r\n").count("\r") == 0 for line in lines)
