"""Bytes to text: UTF-8 or an error that names the line and the byte."""

from __future__ import annotations

from weft.errors import DataError

_BOM = b"\xef\xbb\xbf"


def decode(raw: bytes, where: str) -> str:
    """UTF-8 text of the bytes, a byte order mark dropped.

    Raises:
        DataError: another encoding, or NUL bytes; names the line and the byte.
    """
    save = "Save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')."
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{where}, line 1: the file is not UTF-8.",
            found="a UTF-16 byte order mark at byte 0",
            remedy=save,
        )
    body = raw.removeprefix(_BOM)
    skipped = len(raw) - len(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}, line {_line_at(body, error.start)}: the text is not UTF-8.",
            found=f"byte 0x{body[error.start]:02x} at byte offset {error.start + skipped}",
            remedy=save,
        ) from error
    nul = body.find(b"\0")
    if nul >= 0:
        raise DataError(
            f"{where}, line {_line_at(body, nul)}: the file holds a NUL byte.",
            found=f"byte 0x00 at byte offset {nul + skipped}",
            remedy=f"Remove it, or, if the file is UTF-16 or binary: {save[0].lower()}{save[1:]}",
        )
    return text


def _line_at(body: bytes, offset: int) -> int:
    """1-based physical line of a byte; CRLF, LF and CR each end one."""
    before = body[:offset]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
