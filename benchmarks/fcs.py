"""Reading FCS files: the reader of this project beside FlowIO, which the tests compare it with."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

N_EVENTS, N_CHANNELS = 1_000_000, 12
#: By file: ``$DATATYPE``, the type of each channel on disk, and the bits of it that count.
FILES: dict[str, tuple[str, list[str], int | None]] = {
    "float32": ("F", ["<f4"] * N_CHANNELS, None),
    "16 bits": ("I", ["<u2"] * N_CHANNELS, None),
    "10 of 16 bits": ("I", ["<u2"] * N_CHANNELS, 10),
    "8, 16 and 32 bits": ("I", ["u1", "<u2", "<u4"] * (N_CHANNELS // 3), None),
}
READERS = ("FlowIO", "scyan_exp")
REPEATS = 3


def measure_fcs() -> list[dict[str, Any]]:
    """A row for each file and reader; the readers take turns, each time in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, (kind, types, counted) in FILES.items():
            path = Path(scratch, "cells.fcs")
            _write(path, kind, types, counted)
            found: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
            for _ in range(REPEATS):
                for reader in READERS:
                    found[reader].append(_measured(reader, path))
            rows += [
                {
                    "file": name,
                    "mib": path.stat().st_size / 2**20,
                    "reader": reader,
                    "seconds": min(one["seconds"] for one in measured),
                    "peak_mib": min(one["peak_mib"] for one in measured),
                }
                for reader, measured in found.items()
            ]
    return rows


def _write(path: Path, kind: str, types: list[str], counted: int | None) -> None:
    """A file of random events, little-endian, every bit in use."""
    rng = np.random.default_rng(0)
    row = np.dtype([(f"c{i}", one) for i, one in enumerate(types)])
    events = np.zeros(N_EVENTS, row)
    for name in row.names or ():
        one = row[name]
        whole = rng.integers(2 ** min(8 * one.itemsize, 31), size=N_EVENTS)
        events[name] = whole if kind == "I" else rng.normal(0, 1000, N_EVENTS)
    keywords = {
        "$MODE": "L",
        "$DATATYPE": kind,
        "$BYTEORD": "1,2,3,4",
        "$TOT": N_EVENTS,
        "$PAR": len(types),
        "$NEXTDATA": 0,
        "$BEGINANALYSIS": 0,
        "$ENDANALYSIS": 0,
        "$BEGINSTEXT": 0,
        "$ENDSTEXT": 0,
        "$BEGINDATA": f"{4096:>10}",
        "$ENDDATA": f"{4096 + events.nbytes - 1:>10}",
    }
    for i, one in enumerate(types, start=1):
        bits = 8 * np.dtype(one).itemsize
        keywords |= {f"$P{i}N": f"C{i}", f"$P{i}B": bits, f"$P{i}E": "0,0"}
        keywords[f"$P{i}R"] = 2 ** (counted or bits)
    text = "/" + "".join(f"{key}/{str(value).strip()}/" for key, value in keywords.items())
    head = f"FCS3.1    {58:>8}{57 + len(text):>8}{4096:>8}{4095 + events.nbytes:>8}{0:>8}{0:>8}"
    path.write_bytes((head + text).ljust(4096).encode() + events.tobytes())


def _measured(reader: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.fcs", reader, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _work(reader: str, path: Path) -> dict[str, float]:
    """Seconds from the file to linear numbers (N, C), and by how much the peak of memory rose."""
    import time

    import flowio

    from scyan_exp.data.fcs_events import read_events
    from scyan_exp.data.fcs_head import read_head

    before = _peak_mib()
    begun = time.perf_counter()
    if reader == "FlowIO":
        events = flowio.FlowData(str(path)).as_array(preprocess=True)
    else:
        events = read_events(read_head(path))
    seconds = time.perf_counter() - begun
    assert events.shape == (N_EVENTS, N_CHANNELS)
    return {"seconds": seconds, "peak_mib": _peak_mib() - before}


def _peak_mib() -> float:
    """The peak of memory so far. (What ``getrusage`` says begins with that of the parent.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def markdown(rows: list[dict[str, Any]]) -> str:
    """As a table: a line a file."""
    lines = [
        "| 1,000,000 events x 12 channels | FlowIO, s | scyan_exp, s | FlowIO, MiB "
        "| scyan_exp, MiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in FILES:
        theirs, ours = (
            next(row for row in rows if (row["file"], row["reader"]) == (name, reader))
            for reader in READERS
        )
        lines.append(
            f"| {name} ({ours['mib']:.0f} MiB) | {theirs['seconds']:.2f} | {ours['seconds']:.2f} "
            f"| {theirs['peak_mib']:.0f} | {ours['peak_mib']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(_work(sys.argv[1], Path(sys.argv[2]))))
