"""Channels and events of an FCS file, as its keywords describe them, checked against its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scyan_exp.data.fcs_channels import WIDTHS, Channel, read_channels, whole_of
from scyan_exp.data.fcs_text import FcsText, read_text
from scyan_exp.errors import InputError

#: Programs may count the checksum after the events as part of them.
CHECKSUM_BYTES = 8
#: NumPy's sign for each ``$BYTEORD``.
BYTE_ORDERS = {
    "1,2,3,4": "<",
    "4,3,2,1": ">",
    "1,2": "<",
    "2,1": ">",
    "1,2,3,4,5,6,7,8": "<",
    "8,7,6,5,4,3,2,1": ">",
}


@dataclass(frozen=True)
class FcsHead:
    """What is in an FCS file, and where.

    Attributes:
        text: its keywords.
        channels: its C channels.
        n_events: the number N of events.
        data_type: ``I`` (whole numbers), ``F`` (32 bits) or ``D`` (64 bits).
        order: of bytes: ``<`` or ``>``.
        start: first byte of the events.
    """

    text: FcsText
    channels: tuple[Channel, ...]
    n_events: int
    data_type: str
    order: str
    start: int

    @property
    def path(self) -> Path:
        """The file."""
        return self.text.path

    @property
    def row(self) -> np.dtype[np.void]:
        """The type of an event on disk."""
        kind = "u" if self.data_type == "I" else "f"
        types = [f"{self.order}{kind}{channel.bits // 8}" for channel in self.channels]
        return np.dtype([(str(i), one) for i, one in enumerate(types)])


def read_head(path: str | Path) -> FcsHead:
    """Read what is in an FCS file; the events stay on disk, but their bytes are counted.

    Raises:
        InputError: everything that is wrong with the file.
    """
    text = read_text(path)
    problems: list[str] = []
    data_type, order = _data_type(text, problems), _order(text, problems)
    _not_several(text, problems)
    channels = read_channels(text, data_type, problems)
    if problems:
        raise InputError(problems, where=str(text.path))
    row_bytes = sum(channel.bits for channel in channels) // 8
    n_events, start = _events(text, row_bytes)
    return FcsHead(text, tuple(channels), n_events, data_type, order, start)


def _data_type(text: FcsText, problems: list[str]) -> str:
    found = (text.get("DATATYPE") or "").strip().upper()
    mode = (text.get("MODE") or "L").strip().upper()
    if found not in WIDTHS:
        problems.append(
            f"$DATATYPE is {found or 'missing'}; expected F, D or I: export the file again, as "
            "FCS 3.1 with floating-point numbers"
        )
    if mode != "L":
        problems.append(f"$MODE is {mode}: it holds histograms; expected L, one row per event")
    return found


def _order(text: FcsText, problems: list[str]) -> str:
    found = (text.get("BYTEORD") or "").replace(" ", "")
    if found not in BYTE_ORDERS:
        problems.append(f"$BYTEORD is {found or 'missing'}; expected 1,2,3,4 or 4,3,2,1")
    return BYTE_ORDERS.get(found, "<")


def _not_several(text: FcsText, problems: list[str]) -> None:
    """Refuse a second data set, which begins as a file does; some programs point to nothing."""
    value = (text.get("NEXTDATA") or "0").strip()
    offset = int(value) if value.isascii() and value.isdigit() else 0
    if not 0 < offset < text.size:
        return
    with text.path.open("rb") as file:
        file.seek(offset)
        if file.read(3) == b"FCS":
            problems.append(
                "it holds several data sets ($NEXTDATA): save each as a file of its own"
            )


def _events(text: FcsText, row_bytes: int) -> tuple[int, int]:
    """The number of events, and where they begin."""
    segments = _segments(text)
    n_events = whole_of(text, "TOT")
    if n_events is None and text.version == "2.0" and segments:  # which need not give it
        start, stop = segments[0]
        n_events = (min(stop, text.size - 1) - start + 1) // row_bytes
    if n_events is None:
        raise InputError(
            f"$TOT is {text.get('TOT')!r}; expected the number of events", where=str(text.path)
        )
    if n_events <= 0:
        raise InputError("it holds no events", where=str(text.path))
    size = n_events * row_bytes
    # Programs disagree about whether the last byte belongs to the events; no event fits in the
    # rest.
    most = size + max(row_bytes, CHECKSUM_BYTES)
    fitting = {
        start
        for start, stop in segments
        if size <= stop - start + 1 <= most and text.end < start <= text.size - size
    }
    if len(fitting) == 1:
        return n_events, fitting.pop()
    raise InputError(_misplaced(text, segments, n_events, row_bytes), where=str(text.path))


def _segments(text: FcsText) -> list[tuple[int, int]]:
    """Where TEXT and HEADER say that the events are."""
    first, last = (whole_of(text, name) or 0 for name in ("BEGINDATA", "ENDDATA"))
    return [one for one in dict.fromkeys([(first, last), text.header["data"]]) if one[0] > 0]


def _misplaced(
    text: FcsText, segments: list[tuple[int, int]], n_events: int, row_bytes: int
) -> str:
    size = n_events * row_bytes
    need = f"{n_events:,} events of {row_bytes} bytes need {size:,} bytes"
    if not segments:
        return "it does not say where its events are: $BEGINDATA and the header are 0"
    if all(start <= text.end for start, _ in segments):
        return f"it says that its events begin at byte {segments[0][0]:,}, within its keywords"
    places = " or ".join(f"{start:,} to {stop:,}" for start, stop in segments)
    if all(start + size > text.size for start, _ in segments):
        return f"is cut off: {need} from byte {segments[0][0]:,} on, the file has {text.size:,}"
    return f"{need}, but the file says that they are at bytes {places}: export the file again"
