"""FCS files made byte by byte, by the standard alone: right ones, and ones that are broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class FcsFile:
    """An FCS file to be written; every part of it can be wrong.

    Attributes:
        events: (N, C) numbers as they stand on disk, one of ``types`` a channel.
        names: ``$PnN``.
        types: NumPy types without byte order: ``u1``, ``u2``, ``u4``, ``u8``, ``f4``, ``f8``.
        keywords: further ones, or others than the right ones; None leaves a keyword out.
        order: of bytes, ``<`` or ``>``.
        version: of the standard.
        delimiter: between keywords.
        encoding: of the keywords.
        in_header: whether the HEADER says where the events are (or TEXT alone).
        shift: what is added to the places of the events, first and last byte.
        tail: bytes behind the events.
    """

    events: np.ndarray
    names: list[str]
    types: list[str] = field(default_factory=list)
    keywords: dict[str, str | None] = field(default_factory=dict)
    order: str = "<"
    version: str = "3.1"
    delimiter: str = "/"
    encoding: str = "utf-8"
    in_header: bool = True
    shift: tuple[int, int] = (0, 0)
    tail: bytes = b""

    def data(self) -> bytes:
        """The events."""
        types = self.types or ["f4"] * len(self.names)
        row = np.dtype([(str(i), self.order + one) for i, one in enumerate(types)])
        out = np.zeros(len(self.events), row)
        for i in range(len(types)):
            out[str(i)] = self.events[:, i]
        return out.tobytes()

    def text(self, begin: int, end: int) -> bytes:
        """The keywords."""
        types = self.types or ["f4"] * len(self.names)
        kind = "I" if types[0][0] == "u" else {"f4": "F", "f8": "D"}[types[0]]
        keywords: dict[str, str | None] = {
            "$BEGINDATA": f"{begin:>8}",
            "$ENDDATA": f"{end:>8}",
            "$PAR": str(len(self.names)),
            "$TOT": str(len(self.events)),
            "$MODE": "L",
            "$NEXTDATA": "0",
            "$DATATYPE": kind,
            "$BYTEORD": "1,2,3,4" if self.order == "<" else "4,3,2,1",
        }
        for n, (name, one) in enumerate(zip(self.names, types, strict=True), start=1):
            bits = 8 * int(one[1:])
            top = str(2**bits) if one[0] == "u" else "262144"
            keywords |= {f"$P{n}N": name, f"$P{n}B": str(bits), f"$P{n}E": "0,0", f"$P{n}R": top}
        given = {**keywords, **self.keywords}
        d = self.delimiter
        pairs = [(k, v.replace(d, d + d)) for k, v in given.items() if v is not None]
        return (d + d.join(f"{k}{d}{v}" for k, v in pairs) + d).encode(self.encoding)

    def content(self) -> bytes:
        """The whole file."""
        data = self.data()
        begin = 58 + len(self.text(0, 0))
        first, last = begin + self.shift[0], begin + len(data) - 1 + self.shift[1]
        text = self.text(first, last)
        in_header = (first, last) if self.in_header else (0, 0)
        places = [58, begin - 1, *in_header, 0, 0]
        head = f"FCS{self.version}    " + "".join(f"{place:>8}" for place in places)
        return head.encode() + text + data + self.tail

    def write(self, path: Path) -> Path:
        """Write it."""
        path.write_bytes(self.content())
        return path


def small_fcs(n_cells: int = 60, **changes: object) -> FcsFile:
    """Four markers of three populations, with a time: what ``small_adata`` holds, times 100."""
    from tests.conftest import MARKERS, small_adata

    x = small_adata(n_cells, seed=n_cells).X[:, :4] * 100
    events = np.hstack([np.arange(n_cells)[:, None], x])
    labels = {f"$P{n}S": name for n, name in enumerate(MARKERS, start=2)}
    channels = ["Time", "FITC-A", "PE-A", "APC-A", "BV421-A"]
    keywords = {**labels, **dict(changes.pop("keywords", {}))}  # type: ignore[call-overload]
    return FcsFile(events, channels, keywords=keywords, **changes)  # type: ignore[arg-type]
