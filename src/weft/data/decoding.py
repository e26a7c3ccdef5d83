"""Bytes to text: UTF-8 or an error that names the line and the byte."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from weft.errors import DataError

LONGEST = 1 << 24
"""Characters of one line, and of one quoted field: what is longer lacks a line end or a quote."""

_BOM = b"\xef\xbb\xbf"
_WIDE = (  # longest first: UTF-32's begins as UTF-16's does
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_PACKED = (
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a zip archive, as .xlsx is one"),
    (b"PAR1", "Parquet data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3\0", "an SQLite database"),
)
_BLOCK = 1 << 20
_SAVE = "Save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')."


def lines_of(file: BinaryIO, where: str) -> Iterator[str]:
    """Lines with their ends, a byte order mark dropped. Only CR, LF and CRLF end one.

    Args:
        file: at its beginning; left open.

    Raises:
        DataError: another encoding, NUL bytes, or a line that has no end; names line and byte.
    """
    head = file.read(8)
    wide = next((name for mark, name in _WIDE if head.startswith(mark)), None)
    if wide is not None:
        raise DataError(
            f"{where}, line 1: the file is not UTF-8.",
            found=f"a {wide} byte order mark at byte 0",
            remedy=_SAVE,
        )
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    number = 0
    try:
        while line := text.readline(LONGEST + 1):
            number += 1
            if "\0" in line:
                raise _fault(file, where)
            if len(line) > LONGEST:
                raise DataError(
                    f"{where}, line {number}: the line is longer than {LONGEST:,} characters.",
                    found=f"{line[:60]!r}...",
                    remedy="Write one example a line; a text of this length has to be cut.",
                )
            yield line
    except UnicodeDecodeError as error:
        raise _fault(file, where) from error
    finally:
        text.detach()


def without_end(line: str) -> str:
    """A line without the CR, LF or CRLF that ends it."""
    return line.removesuffix("\n").removesuffix("\r")


def _fault(file: BinaryIO, where: str) -> DataError:
    """The error for the first byte that is no text, found by reading the file again."""
    file.seek(0)
    head = file.read(16)
    packed = next((name for mark, name in _PACKED if head.startswith(mark)), None)
    if packed is not None:
        return DataError(
            f"{where}, line 1: the file is no text.",
            found=packed,
            remedy="Unpack or export it, and give what comes out by a name that ends as its "
            "format's does: .csv, .tsv, .jsonl or .parquet.",
        )
    offset, byte = _first_fault(file)
    line = _line_at(file, offset)
    found = f"byte 0x{byte:02x} at byte offset {offset}"
    if byte == 0:
        return DataError(
            f"{where}, line {line}: the file holds a NUL byte.",
            found=found,
            remedy=f"Remove it, or, if the file is UTF-16 or binary: {_SAVE[0].lower()}{_SAVE[1:]}",
        )
    return DataError(f"{where}, line {line}: the text is not UTF-8.", found=found, remedy=_SAVE)


def _first_fault(file: BinaryIO) -> tuple[int, int]:
    """Offset and value of the first byte that is NUL or not UTF-8."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    begin = 0
    while True:
        block = file.read(_BLOCK)
        nul = block.find(b"\0")
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            waiting = len(error.object) - len(block)  # of a character that the block before cut
            at = begin - waiting + error.start
            if nul < 0 or at < begin + nul:
                return at, error.object[error.start]
        if nul >= 0:
            return begin + nul, 0
        assert block, "there is no fault"
        begin += len(block)


def _line_at(file: BinaryIO, offset: int) -> int:
    """1-based physical line of a byte; CRLF, LF and CR each end one."""
    file.seek(0)
    line, last = 1, b""
    while offset:
        block = file.read(min(offset, _BLOCK))
        seen = last + block
        line += block.count(b"\n") + block.count(b"\r") - seen.count(b"\r\n")
        last = block[-1:]
        offset -= len(block)
    return line
