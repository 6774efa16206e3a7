"""Which epoch annotates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: What is known of an epoch: ``epoch``, ``loss``, ``table_agreement`` and more.
EpochRow = Mapping[str, float]


def contenders(
    history: Sequence[EpochRow], warm_up_epochs: int, tolerance: float | None
) -> list[EpochRow]:
    """The epoch to annotate with, and after it those that may still take its place.

    The loss alone is no good judge: cells that drift into populations of which the table says
    little lower it. So only epochs count whose agreement with the table is within ``tolerance``
    of the highest. Of these the one with the lowest loss is chosen; epochs of the warm-up, whose
    prior is another, only while there is no later one.

    The highest agreement only rises, so an epoch is out for good once its own is too low, or
    once another one is better in loss and agreement.

    Args:
        history: the epochs so far.
        warm_up_epochs: how many of the first are of the warm-up.
        tolerance: of the agreement; None to choose by the loss alone.

    Returns:
        The chosen epoch first, then others by rising agreement.
    """
    ranked = sorted(history, key=lambda row: (row["epoch"] < warm_up_epochs, row["loss"]))
    if tolerance is None or not all("table_agreement" in row for row in history):
        return ranked[:1]
    lowest = max((row["table_agreement"] for row in history), default=0.0) - tolerance
    found: list[EpochRow] = []
    for row in ranked:
        best_so_far = found[-1]["table_agreement"] if found else -math.inf
        if row["table_agreement"] >= lowest and row["table_agreement"] > best_so_far:
            found.append(row)
    return found


def epochs_since_agreement(
    history: Sequence[EpochRow], warm_up_epochs: int, tolerance: float | None
) -> int:
    """How many epochs have passed since the last one whose agreement is within tolerance.

    None count before the end of the warm-up.
    """
    if tolerance is None or not all("table_agreement" in row for row in history):
        return 0
    lowest = max((row["table_agreement"] for row in history), default=0.0) - tolerance
    near = [row["epoch"] for row in history if row["table_agreement"] >= lowest]
    since = max([*near, warm_up_epochs - 1])
    return max(0, int(history[-1]["epoch"] - since)) if history else 0
