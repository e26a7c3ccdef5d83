"""Valid files of every format, and what an unlucky world makes of them, drawn from a seed."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable

import pyarrow
import pyarrow.parquet

_TEXTS = (
    "good, and kind", 'he said "no"', "two\nlines", "שלום עולם", "😀👨‍👩‍👧", "naïve café", "a\tb",
    "\u2028", "x" * 300,
)  # fmt: skip
ROWS = [(f"{text} {k}", ("neg", "pos")[k % 2]) for k, text in enumerate(_TEXTS * 2)]

_PIECES = (
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b'"', b'""', b",", b"\t", b"\r", b"\n",
    b"\r\n", b"\n\n", b" ", b";", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\",
    b"\\ud800", b"\\u0000", b"{", b"}", b"[", b"]", b"[" * 3000, b'{"a":' * 800, b":", b"null",
    b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"true", b"-1", b"0.5", b'"text"', b'"label"',
    b"text", b"label", b"\x1a", b"\x1f\x8b", b"PAR1", "\u202e".encode(), "\u200b".encode(),
    "\ufeff".encode(), b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"A" * 40_000,
)  # fmt: skip
"""What does harm where it does not belong."""


def _csv(end: str) -> bytes:
    quoted = [(text.replace('"', '""'), label) for text, label in ROWS]
    return end.join(["text,label", *(f'"{text}",{label}' for text, label in quoted), ""]).encode()


def _tsv() -> bytes:
    rows = [(text.replace("\t", " ").replace("\n", " "), label) for text, label in ROWS]
    return "\n".join(["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]).encode()


def _json(ascii_only: bool) -> bytes:
    lines = [{"text": text, "label": label, "n": [1, {"a": None}]} for text, label in ROWS]
    return "\n".join(json.dumps(line, ensure_ascii=ascii_only) for line in lines).encode()


def _parquet(**options: object) -> bytes:
    texts, labels = [text for text, _ in ROWS], [label for _, label in ROWS]
    file = io.BytesIO()
    columns = {"text": texts, "label": labels, "n": [[k, None] for k in range(len(ROWS))]}
    pyarrow.parquet.write_table(pyarrow.table(columns), file, **options)
    return file.getvalue()


def valid_files() -> dict[str, list[bytes]]:
    """By suffix; `.txt` is the plain file of `weft predict`."""
    return {
        ".csv": [_csv("\n"), _csv("\r\n"), b"\xef\xbb\xbf" + _csv("\n")],
        ".tsv": [_tsv()],
        ".jsonl": [_json(True), _json(False)],
        ".txt": ["\n".join(text for text, _ in ROWS).encode()],
        ".parquet": [
            _parquet(),
            _parquet(compression="none", use_dictionary=False, write_page_checksum=False),
            _parquet(compression="zstd", data_page_version="2.0", write_page_checksum=True),
        ],
    }


def mutated(whole: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A file with one to six faults."""
    raw = bytearray(whole)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        draw.choice(_HARMS)(raw, others, draw)
    return bytes(raw)


def _place(raw: bytearray, draw: random.Random) -> int:
    # near the beginning every other time: headers and marks stand there
    return draw.randrange(min(len(raw), 24) + 1 if draw.random() < 0.5 else len(raw) + 1)


def _flip(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    if raw:
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)


def _set(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    if raw:
        raw[draw.randrange(len(raw))] = draw.randrange(256)


def _insert(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    at = _place(raw, draw)
    raw[at:at] = draw.choice(_PIECES)


def _overwrite(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    at, piece = _place(raw, draw), draw.choice(_PIECES)
    raw[at : at + len(piece)] = piece


def _delete(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    at = _place(raw, draw)
    del raw[at : at + draw.choice((1, 2, 7, 64, 100_000))]


def _repeat(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    at = _place(raw, draw)
    part = raw[at : at + draw.choice((1, 9, 80, 400))]
    raw[at:at] = part * draw.choice((1, 2, 9))


def _splice(raw: bytearray, others: list[bytes], draw: random.Random) -> None:
    other = draw.choice(others)
    raw[_place(raw, draw) :] = other[draw.randrange(len(other) + 1) :]


def _swap_lines(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    lines = bytes(raw).split(b"\n")
    draw.shuffle(lines)
    raw[:] = b"\n".join(lines)


def _encode(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    kind = draw.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7"))
    raw[:] = bytes(raw).decode("utf-8", "replace").encode(kind, "replace")


def _end(raw: bytearray, _others: list[bytes], draw: random.Random) -> None:
    raw[:] = bytes(raw).replace(b"\n", draw.choice((b"\r", b"\r\n", b"\n\r", b"\0", b"")))


_HARMS: list[Callable[[bytearray, list[bytes], random.Random], None]] = [
    *(_flip, _set, _insert, _insert, _overwrite, _delete, _repeat, _splice, _swap_lines),
    *(_encode, _end),
]
