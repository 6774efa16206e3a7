"""The events of an FCS file as linear numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scyan_exp.data.fcs_channels import Channel
from scyan_exp.data.fcs_head import FcsHead
from scyan_exp.errors import InputError

#: Bytes of a file that are read at a time.
CHUNK_BYTES = 32 * 2**20


def read_events(head: FcsHead, rows: np.ndarray | None = None) -> np.ndarray:
    """Linear events (N, C) float32: gains, amplifiers and the time step are applied.

    Args:
        head: the description of the file.
        rows: the events wanted, in increasing order; all when None.

    Raises:
        InputError: the file ends before its last event.
    """
    n_rows = head.n_events if rows is None else len(rows)
    out = np.empty((n_rows, len(head.channels)), np.float32)
    done = 0
    for start, block in raw_blocks(head):
        if rows is not None:
            first, last = np.searchsorted(rows, [start, start + len(block)])
            block = block[rows[first:last] - start]
        out[done : done + len(block)] = linear(head, block)
        done += len(block)
    return out


def raw_blocks(head: FcsHead) -> Iterator[tuple[int, np.ndarray]]:
    """The events as they are on disk, a block at a time, each with the number of its first event.

    Raises:
        InputError: the file ends before its last event.
    """
    step = max(1, CHUNK_BYTES // head.row.itemsize)
    with head.path.open("rb") as file:
        file.seek(head.start)
        for start in range(0, head.n_events, step):
            wanted = min(step, head.n_events - start)
            block = np.fromfile(file, head.row, count=wanted)
            if len(block) < wanted:
                raise InputError(
                    f"is cut off: it ends after event {start + len(block):,} of {head.n_events:,}",
                    where=str(head.path),
                )
            yield start, block


def linear(head: FcsHead, block: np.ndarray) -> np.ndarray:
    """A block of raw events as linear ones (N, C), float32."""
    out = np.empty((len(block), len(head.channels)), np.float32)
    types = {head.row[i] for i in range(len(head.channels))}
    if len(types) == 1:  # one copy of all is much faster than a copy per column
        with np.errstate(over="ignore"):  # a 64-bit number may be infinite in 32 bits
            out[:] = block.view(types.pop()).reshape(out.shape)
        columns = [i for i, channel in enumerate(head.channels) if not channel.is_plain]
    else:
        columns = list(range(len(head.channels)))
    for i in columns:
        out[:, i] = _linear_column(head.channels[i], block[str(i)])
    return out


def _linear_column(channel: Channel, values_N: np.ndarray) -> np.ndarray:
    if channel.mask is not None:
        values_N = values_N & values_N.dtype.type(channel.mask)
    with np.errstate(over="ignore"):
        exact_N = values_N.astype(np.float64)
        if channel.decades:
            exact_N = channel.zero * 10 ** (channel.decades * exact_N / channel.range)
        return (exact_N * channel.factor).astype(np.float32)
