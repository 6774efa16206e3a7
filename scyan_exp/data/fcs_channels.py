"""The channels of an FCS file, as its keywords describe them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scyan_exp.data.fcs_text import FcsText
from scyan_exp.errors import listed

#: Widths that a channel may have, in bits, by data type.
WIDTHS: dict[str, tuple[int, ...]] = {"I": (8, 16, 32, 64), "F": (32,), "D": (64,)}


@dataclass(frozen=True)
class Channel:
    """One channel of an FCS file.

    Attributes:
        name: ``$PnN``, the detector: ``FITC-A``, ``Nd142Di``.
        label: ``$PnS``, what it measures: ``CD3``, ``142Nd_CD19``; empty without one.
        bits: its width.
        mask: for whole numbers, the bits that count; None for all.
        decades: for whole numbers, those of a logarithmic amplifier; 0 for a linear one.
        zero: the value that a logarithmic amplifier has at 0.
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


def read_channels(text: FcsText, data_type: str, problems: list[str]) -> list[Channel]:
    """The channels of a file, and what is wrong with them."""
    n_channels = whole_of(text, "PAR")
    if n_channels is None or not 1 <= n_channels <= len(text.keywords):
        problems.append(f"$PAR is {text.get('PAR')!r}; expected the number of channels")
        return []
    by_name: dict[str, list[int]] = {}
    channels = []
    for n in range(1, n_channels + 1):
        channels.append(_channel(text, n, data_type, problems))
        by_name.setdefault(channels[-1].name, []).append(n)
    problems += [
        f"channel {name!r} is at $P{'N, $P'.join(map(str, places))}N: rename all but one"
        for name, places in by_name.items()
        if len(places) > 1
    ]
    return channels


def _channel(text: FcsText, n: int, data_type: str, problems: list[str]) -> Channel:
    label = (text.get(f"P{n}S") or "").strip()
    name = (text.get(f"P{n}N") or "").strip() or label or f"P{n}"
    bits, widths = whole_of(text, f"P{n}B"), WIDTHS.get(data_type, ())
    if bits not in widths and widths:
        problems.append(
            f"channel {name!r}: $P{n}B is {text.get(f'P{n}B')!r}; expected {listed(widths)} bits "
            f"for $DATATYPE {data_type}"
        )
    if text.get(f"P{n}DATATYPE") not in (None, data_type):
        problems.append(f"channel {name!r}: $P{n}DATATYPE differs from $DATATYPE {data_type}")
    top = number_of(text, f"P{n}R")
    decades, zero = _amplifier(text, n, data_type, name, problems)
    if decades and not top:
        problems.append(f"channel {name!r}: $P{n}R is {text.get(f'P{n}R')!r}; expected its range")
    mask = None
    if data_type == "I" and top and bits in widths and top < 2**bits:
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
    return decades, zero or 1.0  # by the standard, a zero of 0 stands for 1


def _factor(text: FcsText, n: int, name: str) -> float:
    """What makes values linear: 1 / gain or, for the time, the time step."""
    if name.lower() == "time":
        return number_of(text, "TIMESTEP") or 1.0
    return 1.0 / (number_of(text, f"P{n}G") or 1.0)


def whole_of(text: FcsText, name: str) -> int | None:
    """A whole number; None for anything else."""
    value = (text.get(name) or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def number_of(text: FcsText, name: str) -> float | None:
    """A number above 0; None for anything else."""
    try:
        value = float(text.get(name) or "")
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
