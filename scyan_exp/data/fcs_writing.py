"""Writing FCS files: new ones, and channels beside those of another file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scyan_exp.data.fcs_events import linear, raw_blocks
from scyan_exp.data.fcs_head import FcsHead, read_head
from scyan_exp.data.fcs_text import HEADER_BYTES
from scyan_exp.errors import InputError, listed
from scyan_exp.files import atomic_path

#: The HEADER holds numbers below this; larger ones are written in the TEXT alone.
MOST_IN_HEADER = 99_999_999
#: Characters that may separate keywords; the first that occurs in none of them is taken.
DELIMITERS = "/|\\\x0c\x1e~^!" + "".join(map(chr, range(1, 32)))
#: Events written at a time.
CHUNK = 100_000
#: Keywords that say where and how events are stored; only the writer sets them.
_OWN = re.compile(
    r"^\$(PAR|TOT|MODE|DATATYPE|BYTEORD|NEXTDATA|(BEGIN|END)(DATA|STEXT|ANALYSIS)|P\d+[BENRGS])$"
)
_TIMESTEP = re.compile(r"^\s*\$?TIMESTEP\s*$", re.IGNORECASE)


def write_fcs(
    path: str | Path,
    events_NC: Any,
    channels: Sequence[str],
    labels: Sequence[str] | None = None,
    keywords: Mapping[str, str] | None = None,
) -> None:
    """Write an FCS 3.1 file of 32-bit numbers, whole or not at all.

    Args:
        path: the file.
        events_NC: (N, C) linear numbers: anything with slices of rows, such as an array on disk, of
            which only some are in memory at a time.
        channels: C different names, ``$PnN``.
        labels: C names of what they measure, ``$PnS``; empty for none.
        keywords: further keywords, such as ``{"SCYAN 1": "B cells"}``; those that say where events
            are stored are refused.

    Raises:
        InputError: a reader would not understand a name or a keyword.
    """
    n_events, n_channels = events_NC.shape
    if len(channels) != n_channels or len(labels or channels) != n_channels:
        raise ValueError(f"expected {n_channels} channels and labels, as the events have")
    _check_names(channels, keywords or {}, path)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, n_events, CHUNK):
            yield np.asarray(events_NC[start : start + CHUNK], "<f4")

    top_C = np.zeros(n_channels)
    for block in blocks():
        top_C = np.fmax(top_C, np.fmax.reduce(block, axis=0))
    own = {"$DATATYPE": "F", "$BYTEORD": "1,2,3,4", "$MODE": "L", "$TOT": str(n_events)}
    for n, name in enumerate(channels, start=1):
        label = labels[n - 1] if labels else ""
        own |= _described(n, name, label, 32, _range(top_C[n - 1]))
    _write(path, "3.1", {**own, **(keywords or {})}, n_channels, blocks, n_events * n_channels * 4)


def add_channels(
    source: str | Path,
    target: str | Path,
    names: Sequence[str],
    columns: Sequence[np.ndarray],
    keywords: Mapping[str, str] | None = None,
) -> None:
    """Write an FCS file again with further channels behind its own.

    The events and keywords of the source stay as they are, bit by bit. Only if the events are whole
    numbers and a new channel holds fractions do all of them become 32-bit numbers on a linear
    scale.

    Args:
        source: the file.
        target: the new file; it may be the same.
        names: of the K new channels.
        columns: their values, (N,) each.
        keywords: further keywords.

    Raises:
        InputError: the source cannot be read, or has such a channel already.
    """
    head = read_head(source)
    _check_names([*(channel.name for channel in head.channels), *names], keywords or {}, source)
    if any(len(column) != head.n_events for column in columns):
        raise ValueError(f"expected {head.n_events} values a channel, as the file has events")
    is_whole = all(_is_whole(column) for column in columns)
    is_new = head.data_type == "I" and not is_whole
    kind = {"D": "f8", "F": "f4", "I": "f4" if is_new else "u4"}[head.data_type]
    order = "<" if is_new else head.order
    added = np.dtype(order + kind)
    bits, n_old = 8 * added.itemsize, len(head.channels)
    kept = dict(head.text.keywords)
    if is_new:
        kept = {key: value for key, value in kept.items() if not re.match(r"^\$P\d+[BEG]$", key)}
        for n, channel in enumerate(head.channels, start=1):
            kept |= _described(n, channel.name, channel.label, 32, str(int(channel.range) or 1))
        kept |= {"$DATATYPE": "F", "$BYTEORD": "1,2,3,4"}
        if head.text.get("TIMESTEP") is not None:  # the time is in seconds now
            kept = {key: value for key, value in kept.items() if not _TIMESTEP.match(key)}
            kept["$TIMESTEP"] = "1"
    for n, (name, column) in enumerate(zip(names, columns, strict=True), start=n_old + 1):
        top = 2**32 if added.kind == "u" else _range(np.max(column, initial=0))
        kept |= _described(n, name, "", bits, str(top))

    def blocks() -> Iterator[np.ndarray]:
        for start, block in raw_blocks(head):
            old = linear(head, block).astype("<f4") if is_new else block
            new = np.empty(
                (len(block), len(columns)), added
            )  # NumPy's stack would lose the byte order
            for i, column in enumerate(columns):
                new[:, i] = column[start : start + len(block)]
            yield _beside(old, new)

    old_bytes = 4 * n_old if is_new else head.row.itemsize
    size = head.n_events * (old_bytes + added.itemsize * len(names))
    kept = {**kept, **(keywords or {})}
    _write(target, head.text.version, kept, n_old + len(names), blocks, size, head)


def _described(n: int, name: str, label: str, bits: int, top: str) -> dict[str, str]:
    """The keywords of channel ``n``."""
    found = {f"$P{n}N": name, f"$P{n}B": str(bits), f"$P{n}E": "0,0", f"$P{n}R": top}
    return {**found, f"$P{n}S": label} if label.strip() else found


def _range(top: float) -> str:
    """Above the largest value, as a whole number; some programs read no other."""
    return str(int(np.ceil(top)) + 1) if np.isfinite(top) and top > 0 else "1"


def _is_whole(column: np.ndarray) -> bool:
    values = np.asarray(column)
    return bool(((values >= 0) & (values < 2**32) & (values == np.floor(values))).all())


def _beside(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The bytes of old and new channels, event by event."""
    left = np.ascontiguousarray(old).view(np.uint8).reshape(len(old), -1)
    right = np.ascontiguousarray(new).view(np.uint8).reshape(len(old), -1)
    return np.concatenate([left, right], axis=1)


def _check_names(channels: Sequence[str], keywords: Mapping[str, str], path: str | Path) -> None:
    problems = []
    repeated = sorted({name for name in channels if channels.count(name) > 1})
    if repeated:
        problems.append(f"channels that occur twice: {listed(repeated)}")
    if any(not name.strip() for name in channels):
        problems.append("a channel has no name")
    own = [key for key in keywords if _OWN.match(key.upper())]
    if own:
        problems.append(f"keywords that say where the events are cannot be given: {listed(own)}")
    if problems:
        raise InputError(problems, where=str(path))


def _write(
    path: str | Path,
    version: str,
    keywords: Mapping[str, str],
    n_channels: int,
    blocks: Callable[[], Iterator[np.ndarray]],
    size: int,
    source: FcsHead | None = None,
) -> None:
    """HEADER, TEXT, events, and the ANALYSIS of the source."""
    encoding = "utf-8" if source is None else source.text.encoding
    analysis = b"" if source is None else _analysis(source)
    text, begin = _text(keywords, n_channels, size, len(analysis), encoding)
    end = begin + size - 1
    places = [HEADER_BYTES, begin - 1, begin, end]
    places += [end + 1, end + len(analysis)] if analysis else [0, 0]
    if end + len(analysis) > MOST_IN_HEADER:
        places[2:] = [0] * 4
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        file.write(f"FCS{version}    ".encode())
        file.write("".join(f"{place:>8}" for place in places).encode())
        file.write(text)
        _copy(blocks(), file)
        file.write(analysis)


def _copy(blocks: Iterator[np.ndarray], file: BinaryIO) -> None:
    for block in blocks:
        file.write(np.ascontiguousarray(block).data)


def _analysis(source: FcsHead) -> bytes:
    """The ANALYSIS segment as it is."""
    start, stop = source.text.header["analysis"]
    if not 0 < start < stop < source.text.size:
        return b""
    with source.path.open("rb") as file:
        file.seek(start)
        return file.read(stop - start + 1)


def _text(
    keywords: Mapping[str, str], n_channels: int, size: int, n_analysis: int, encoding: str
) -> tuple[bytes, int]:
    """The TEXT segment, and the first byte behind it, which the segment itself has to name."""
    begin = HEADER_BYTES
    while True:
        end = begin + size - 1
        places = {
            "$PAR": n_channels,
            "$BEGINDATA": begin,
            "$ENDDATA": end,
            "$BEGINANALYSIS": end + 1 if n_analysis else 0,
            "$ENDANALYSIS": end + n_analysis if n_analysis else 0,
            "$BEGINSTEXT": 0,
            "$ENDSTEXT": 0,
            "$NEXTDATA": 0,
        }
        given = {key: value for key, value in keywords.items() if key.upper() not in places}
        text = _joined({**{key: str(value) for key, value in places.items()}, **given}, encoding)
        if HEADER_BYTES + len(text) == begin:
            return text, begin
        begin = HEADER_BYTES + len(text)


def _joined(keywords: Mapping[str, str], encoding: str) -> bytes:
    pairs = [(key, value or " ") for key, value in keywords.items()]  # a value may not be empty
    everything = "".join(key + value for key, value in pairs)
    delimiter = next((one for one in DELIMITERS if one not in everything), DELIMITERS[0])
    parts = [part.replace(delimiter, 2 * delimiter) for pair in pairs for part in pair]
    text = delimiter + delimiter.join(parts) + delimiter
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode("utf-8")
