"""Text files: read as UTF-8, or refused with what they are instead."""

from __future__ import annotations

from pathlib import Path

from scyan_exp.errors import InputError

#: The first bytes of files that are often mistaken for text, and what they are.
_BEGINNINGS = {
    b"PK\x03\x04": "an Excel workbook (or another zip archive)",
    b"\xd0\xcf\x11\xe0": "an Excel workbook of an older version",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
_HDF5, _BLANKS = b"\x89HDF", b"\t\n\r\f"
_REMEDY = "save it as CSV in UTF-8"


def read_text(path: Path) -> str:
    """The text of a file, without the byte-order mark that spreadsheets write.

    Raises:
        InputError: it is not UTF-8; the message says what it is, or where the first wrong byte is.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(_instead(content, error.start), where=str(path)) from None


def _instead(content: bytes, at: int) -> str:
    for beginning, what in _BEGINNINGS.items():
        if content.startswith(beginning):
            return f"is {what}: {_REMEDY}"
    if content.startswith(_HDF5) or any(byte < 32 and byte not in _BLANKS for byte in content):
        return "not a text file (expected a CSV in UTF-8)"
    line = content.count(b"\n", 0, at) + 1
    shown = content[at : at + 1].decode("cp1252", errors="replace")
    return f"line {line} has a character that is not in UTF-8 ({shown!r} of Windows?): {_REMEDY}"
