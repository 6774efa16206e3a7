"""What an FCS file says of itself: the HEADER, and the keywords of its TEXT segments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from scyan_exp.data.sources import existing_file
from scyan_exp.errors import InputError

#: Versions of the standard that are read.
VERSIONS = ("2.0", "3.0", "3.1", "3.2")
#: Bytes of the HEADER, and of each number in it.
HEADER_BYTES, NUMBER_BYTES = 58, 8
#: Stands for a delimiter within a value while the text is split.
_ESCAPED = "\ue000"


@dataclass(frozen=True)
class FcsText:
    """The HEADER and the keywords of an FCS file.

    Attributes:
        path: the file.
        size: its bytes.
        version: such as ``3.1``.
        encoding: of the keywords: ``utf-8``, or ``latin-1`` where that fails.
        header: first and last byte of the segments ``text``, ``data`` and ``analysis``; 0 and 0 for
            a missing one.
        keywords: as the file spells them, in its order.
        end: the byte of the last delimiter of the TEXT segment; no event stands before it.
    """

    path: Path
    size: int
    version: str
    encoding: str
    header: Mapping[str, tuple[int, int]]
    keywords: Mapping[str, str]
    end: int

    def get(self, name: str) -> str | None:
        """The value of a keyword in any case, with or without ``$``; None if it is missing."""
        values = self._by_name
        return values.get(f"${name.upper()}", values.get(name.upper()))

    def exact(self, name: str) -> str | None:
        """The value of a keyword, whatever its case; None if it is missing."""
        return self._by_name.get(name.upper())

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {key.strip().upper(): value for key, value in self.keywords.items()}


def read_text(path: str | Path) -> FcsText:
    """Read the HEADER and the keywords of an FCS file; its events stay on disk.

    Raises:
        InputError: there is no such file, or it is not an FCS file of a known version.
    """
    path = existing_file(path, "an .fcs file")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
        version, header = _header(path, head, size)
        file.seek(header["text"][0])
        primary = file.read(header["text"][1] - header["text"][0] + 1)
        keywords, encoding = _keywords(path, primary)
        end = header["text"][0] + primary.rfind(primary[:1])
        text = FcsText(path, size, version, encoding, header, keywords, end)
        start, stop = (_offset(text.get(name)) for name in ("BEGINSTEXT", "ENDSTEXT"))
        if start and stop > start and stop < size and start != header["text"][0]:
            file.seek(start)
            more, _ = _keywords(path, file.read(stop - start + 1))
            text = replace(text, keywords={**more, **keywords})
    return text


def _header(path: Path, head: bytes, size: int) -> tuple[str, dict[str, tuple[int, int]]]:
    """Version and segments."""
    if not head:
        raise InputError("is empty (expected an FCS file)", where=str(path))
    found = re.match(rb"FCS(\d\.\d)", head)
    if found is None:
        raise InputError(
            f"not an FCS file: it begins with {head[:6]!r}, expected FCS3.1 (or 3.0, 2.0)",
            where=str(path),
        )
    version = found[1].decode()
    if version not in VERSIONS:
        raise InputError(
            f"FCS {version} is not read; expected one of {', '.join(VERSIONS)}", where=str(path)
        )
    if len(head) < HEADER_BYTES:
        raise InputError(f"is cut off: it has only {size} bytes", where=str(path))
    fields = [head[10 + NUMBER_BYTES * i : 18 + NUMBER_BYTES * i] for i in range(6)]
    try:
        numbers = [int(field) if field.strip(b" \0") else 0 for field in fields]
    except ValueError:
        raise InputError(
            f"its header holds no byte offsets: found {b''.join(fields)!r}", where=str(path)
        ) from None
    names = ("text", "data", "analysis")
    header = {name: (numbers[2 * i], numbers[2 * i + 1]) for i, name in enumerate(names)}
    start, stop = header["text"]
    if not HEADER_BYTES <= start < stop:
        raise InputError(
            f"its header puts the keywords at bytes {start} to {stop}, which cannot be",
            where=str(path),
        )
    if stop >= size:
        raise InputError(
            f"is cut off: the keywords end at byte {stop:,}, the file has {size:,} bytes",
            where=str(path),
        )
    return version, header


def _keywords(path: Path, segment: bytes) -> tuple[dict[str, str], str]:
    """The keywords of a TEXT segment, and its encoding."""
    try:
        text, encoding = segment.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = segment.decode("latin-1"), "latin-1"
    delimiter = text[:1]
    if not delimiter or delimiter.isalnum() or delimiter in "$ ":
        raise InputError(
            f"its keywords begin with {text[:10]!r}; expected the character that separates them",
            where=str(path),
        )
    body = text[1:]
    escaped = body.replace(delimiter * 2, _ESCAPED).split(delimiter)
    keywords = _pairs([part.replace(_ESCAPED, delimiter) for part in escaped])
    # A delimiter within a name would read as an empty value before it, and the next keyword would
    # be lost.
    if _is_complete(keywords) and not any(delimiter in key for key in keywords):
        return keywords, encoding
    # Many programs write empty values, two delimiters in a row, although the standard forbids them.
    plain = _pairs(body.split(delimiter))
    return (plain if _is_complete(plain) else keywords), encoding


def _pairs(parts: list[str]) -> dict[str, str]:
    return {key: value for key, value in zip(parts[::2], parts[1::2], strict=False) if key.strip()}


def _is_complete(keywords: Mapping[str, str]) -> bool:
    """Whether every channel is described, which a wrong split would break first."""
    names = {key.upper() for key in keywords}
    if "$PAR" not in names:
        return False
    n_channels = _offset(next(v for k, v in keywords.items() if k.upper() == "$PAR"))
    return n_channels <= len(names) and all(f"$P{n}B" in names for n in range(1, n_channels + 1))


def _offset(value: str | None) -> int:
    """A byte offset, or 0 where there is none."""
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0
