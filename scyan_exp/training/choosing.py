"""Which epoch annotates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: What was measured in an epoch: ``epoch``, ``loss``, ``table_agreement`` and more.
EpochRow = Mapping[str, float]


def contenders(
    history: Sequence[EpochRow], warm_up_epochs: int, tolerance: float | None
) -> list[EpochRow]:
    """The epoch that annotates, and after it those that may still take its place.

    The loss alone is a poor judge: it falls when cells drift into populations of which the table
    says little. So only epochs count whose agreement with the table is within ``tolerance`` of the
    highest. Among these, the one with the lowest loss is chosen. Epochs of the warm-up have another
    prior, so they count only while there is no later one.

    The highest agreement never falls. So an epoch is out for the rest of the run once its own
    agreement is too low, or once another one is better in both loss and agreement.

    Args:
        history: the epochs so far.
        warm_up_epochs: how many epochs the warm-up takes.
        tolerance: how far the agreement may lie below the highest; None to choose by the loss
            alone.

    Returns:
        The chosen epoch first, then the others by rising agreement.
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

    Epochs of the warm-up do not count.
    """
    if tolerance is None or not all("table_agreement" in row for row in history):
        return 0
    lowest = max((row["table_agreement"] for row in history), default=0.0) - tolerance
    near = [row["epoch"] for row in history if row["table_agreement"] >= lowest]
    since = max([*near, warm_up_epochs - 1])
    return max(0, int(history[-1]["epoch"] - since)) if history else 0
