"""Channels and events of an FCS file, as its keywords describe them, checked against its bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scyan_exp.data.fcs_text import FcsText, read_text
from scyan_exp.errors import InputError, listed

#: Widths of a channel, in bits, by the type of the data.
WIDTHS: dict[str, tuple[int, ...]] = {"I": (8, 16, 32, 64), "F": (32,), "D": (64,)}
#: Programs may count the checksum after the events as part of them.
CHECKSUM_BYTES = 8
#: What ``$BYTEORD`` says, for NumPy.
BYTE_ORDERS = {
    "1,2,3,4": "<",
    "4,3,2,1": ">",
    "1,2": "<",
    "2,1": ">",
    "1,2,3,4,5,6,7,8": "<",
    "8,7,6,5,4,3,2,1": ">",
}


@dataclass(frozen=True)
class Channel:
    """One channel of an FCS file.

    Attributes:
        name: ``$PnN``, the detector: ``FITC-A``, ``Nd142Di``.
        label: ``$PnS``, what it measures: ``CD3``, ``142Nd_CD19``; empty without one.
        bits: its width.
        mask: the bits that count, for whole numbers; None for all.
        decades: of a logarithmic amplifier, whole numbers only; 0 for linear.
        zero: the value at 0 of a logarithmic amplifier.
        range: ``$PnR``.
        factor: what makes values linear: 1 / ``$PnG``; ``$TIMESTEP`` for the time.
    """

    name: str
    label: str
    bits: int
    mask: int | None
    decades: float
    zero: float
    range: float
    factor: float

    @property
    def is_plain(self) -> bool:
        """Whether the numbers on disk are linear already."""
        return self.mask is None and not self.decades and self.factor == 1


@dataclass(frozen=True)
class FcsHead:
    """What stands in an FCS file, and where.

    Attributes:
        text: its keywords.
        channels: C of them.
        n_events: N.
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
    """What stands in an FCS file; the events stay on disk, but their bytes are counted.

    Raises:
        InputError: everything that is wrong with the file.
    """
    text = read_text(path)
    problems: list[str] = []
    data_type, order = _data_type(text, problems), _order(text, problems)
    _not_several(text, problems)
    channels = _channels(text, data_type, problems)
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
        problems.append(f"$MODE is {mode}: it holds histograms; expected L, a row an event")
    return found


def _order(text: FcsText, problems: list[str]) -> str:
    found = (text.get("BYTEORD") or "").replace(" ", "")
    if found not in BYTE_ORDERS:
        problems.append(f"$BYTEORD is {found or 'missing'}; expected 1,2,3,4 or 4,3,2,1")
    return BYTE_ORDERS.get(found, "<")


def _not_several(text: FcsText, problems: list[str]) -> None:
    """A further data set begins as a file does; some programs write an offset to nothing."""
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


def _channels(text: FcsText, data_type: str, problems: list[str]) -> list[Channel]:
    n_channels = _whole(text, "PAR")
    if n_channels is None or not 1 <= n_channels <= len(text.keywords):
        problems.append(f"$PAR is {text.get('PAR')!r}; expected the number of channels")
        return []
    by_name: dict[str, list[int]] = {}
    channels = []
    for n in range(1, n_channels + 1):
        channels.append(_channel(text, n, data_type, problems))
        by_name.setdefault(channels[-1].name, []).append(n)
    problems += [
        f"channel {name!r} stands at $P{'N, $P'.join(map(str, places))}N: rename all but one"
        for name, places in by_name.items()
        if len(places) > 1
    ]
    return channels


def _channel(text: FcsText, n: int, data_type: str, problems: list[str]) -> Channel:
    label = (text.get(f"P{n}S") or "").strip()
    name = (text.get(f"P{n}N") or "").strip() or label or f"P{n}"
    bits, widths = _whole(text, f"P{n}B"), WIDTHS.get(data_type, ())
    if bits not in widths and widths:
        problems.append(
            f"channel {name!r}: $P{n}B is {text.get(f'P{n}B')!r}; expected {listed(widths)} bits "
            f"for $DATATYPE {data_type}"
        )
    if text.get(f"P{n}DATATYPE") not in (None, data_type):
        problems.append(f"channel {name!r}: $P{n}DATATYPE differs from $DATATYPE {data_type}")
    top = _number(text, f"P{n}R")
    decades, zero = _amplifier(text, n, data_type, name, problems)
    if decades and not top:
        problems.append(f"channel {name!r}: $P{n}R is {text.get(f'P{n}R')!r}; expected its range")
    mask = None
    if data_type == "I" and top and bits and top < 2**bits:
        mask = (1 << (math.ceil(top) - 1).bit_length()) - 1
    return Channel(name, label, bits or 8, mask, decades, zero, top or 0.0, _factor(text, n, name))


def _amplifier(
    text: FcsText, n: int, data_type: str, name: str, problems: list[str]
) -> tuple[float, float]:
    """Decades and zero; numbers with a decimal point are linear whatever the keyword says."""
    found = text.get(f"P{n}E")
    if data_type != "I" or found is None:
        return 0.0, 0.0
    try:
        decades, zero = (float(part) for part in found.split(","))
    except ValueError:
        decades, zero = math.nan, math.nan
    if not (0 <= decades < 20 and 0 <= zero < math.inf):
        problems.append(f"channel {name!r}: $P{n}E is {found!r}; expected two numbers, as 4,1")
        return 0.0, 0.0
    return decades, zero or 1.0  # the standard: a zero of 0 stands for 1


def _factor(text: FcsText, n: int, name: str) -> float:
    """The gain of the time means nothing: its step does."""
    if name.lower() == "time":
        return _number(text, "TIMESTEP") or 1.0
    return 1.0 / (_number(text, f"P{n}G") or 1.0)


def _events(text: FcsText, row_bytes: int) -> tuple[int, int]:
    """How many events there are, and where they begin."""
    segments = _segments(text)
    n_events = _whole(text, "TOT")
    if n_events is None and text.version == "2.0" and segments:  # which need not say it
        start, stop = segments[0]
        n_events = (min(stop, text.size - 1) - start + 1) // row_bytes
    if n_events is None:
        raise InputError(
            f"$TOT is {text.get('TOT')!r}; expected the number of events", where=str(text.path)
        )
    if n_events <= 0:
        raise InputError("it holds no events", where=str(text.path))
    size = n_events * row_bytes
    # Programs differ in whether the last byte belongs to the events; no event hides in the rest.
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
    first, last = (_whole(text, name) or 0 for name in ("BEGINDATA", "ENDDATA"))
    return [one for one in dict.fromkeys([(first, last), text.header["data"]]) if one[0] > 0]


def _misplaced(
    text: FcsText, segments: list[tuple[int, int]], n_events: int, row_bytes: int
) -> str:
    size = n_events * row_bytes
    need = f"{n_events:,} events of {row_bytes} bytes need {size:,} bytes"
    if not segments:
        return "it does not say where its events are: $BEGINDATA and the header are 0"
    if all(start <= text.end for start, _ in segments):
        return f"its events are said to begin at byte {segments[0][0]:,}, within its keywords"
    places = " or ".join(f"{start:,} to {stop:,}" for start, stop in segments)
    if all(start + size > text.size for start, _ in segments):
        return f"is cut off: {need} from byte {segments[0][0]:,} on, the file has {text.size:,}"
    return f"{need}, but they are said to stand at bytes {places}: export the file again"


def _whole(text: FcsText, name: str) -> int | None:
    value = (text.get(name) or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def _number(text: FcsText, name: str) -> float | None:
    """A number above 0; None for anything else."""
    try:
        value = float(text.get(name) or "")
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
