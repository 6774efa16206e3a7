"""Categories in FCS files, which hold numbers alone: a channel of numbers, and keywords for names.

The keyword ``scyan_pop 3`` holds the name of number 3 of the channel ``scyan_pop``.
"""

from __future__ import annotations

from collections.abc import Sequence

from scyan_exp.data.fcs_text import FcsText


def category_keywords(
    channel: str, names: Sequence[str], none: str | None = None
) -> dict[str, str]:
    """The keywords that say what the numbers of a channel mean.

    Args:
        channel: its name.
        names: of the numbers from 1 on.
        none: of the number 0, for cells without a category; None where every cell has one.
    """
    zero = {} if none is None else {f"{channel} 0": none}
    return zero | {f"{channel} {i}": name for i, name in enumerate(names, start=1)}


def categories_of(text: FcsText, channel: str) -> list[str]:
    """The names of the numbers of a channel, from 1 on; empty if its numbers have no names."""
    names: list[str] = []
    while (name := text.exact(f"{channel} {len(names) + 1}")) is not None:
        names.append(name)
    return names
