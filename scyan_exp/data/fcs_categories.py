"""Categories in FCS files: a channel of numbers, and keywords that name them.

The keyword ``scyan_pop 3`` names number 3 of the channel ``scyan_pop``.
"""

from __future__ import annotations

from collections.abc import Sequence

from scyan_exp.data.fcs_text import FcsText


def category_keywords(
    channel: str, names: Sequence[str], none: str | None = None
) -> dict[str, str]:
    """The keywords that say what the numbers of a channel mean.

    Args:
        channel: the name of the channel.
        names: the names of the numbers, from 1 on.
        none: the name of 0, for cells without a category; None if every cell has one.
    """
    zero = {} if none is None else {f"{channel} 0": none}
    return zero | {f"{channel} {i}": name for i, name in enumerate(names, start=1)}


def categories_of(text: FcsText, channel: str) -> list[str]:
    """The names of a channel's numbers, from 1 on; empty if the numbers have no names."""
    names: list[str] = []
    while (name := text.exact(f"{channel} {len(names) + 1}")) is not None:
        names.append(name)
    return names
