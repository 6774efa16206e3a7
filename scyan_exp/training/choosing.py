"""Which epoch annotates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: What is known of an epoch: ``epoch``, ``loss``, ``table_agreement`` and more.
EpochRow = Mapping[str, float]


def contenders(
    history: Sequence[EpochRow], warm_up_epochs: int, tolerance: float | None
) -> list[EpochRow]:
    """The epoch to annotate with, and after it those that may still take its place.

    The loss alone is no good judge: cells that drift into populations of which the table says
    little lower it. So the chosen epoch has the lowest loss among those whose agreement with the
    table is within ``tolerance`` of the highest. Epochs of the warm-up, whose prior is another,
    count only while there is no later one.

    The highest agreement only rises, so an epoch is out for good once its own is too low, or
    once another one is better in loss and agreement.

    Args:
        history: the epochs so far.
        warm_up_epochs: how many of the first are of the warm-up.
        tolerance: of the agreement; None to choose by the loss alone.

    Returns:
        The chosen epoch first, then others by rising loss and rising agreement.
    """
    rows = [row for row in history if row["epoch"] >= warm_up_epochs] or list(history)
    by_loss = sorted(rows, key=lambda row: row["loss"])  # stable: of equal ones the first
    if tolerance is None or not all("table_agreement" in row for row in rows):
        return by_loss[:1]
    lowest = max((row["table_agreement"] for row in rows), default=0.0) - tolerance
    found: list[EpochRow] = []
    for row in by_loss:
        if row["table_agreement"] >= lowest and not (
            found and row["table_agreement"] <= found[-1]["table_agreement"]
        ):
            found.append(row)
    return found


def epochs_since_agreement(
    history: Sequence[EpochRow], warm_up_epochs: int, tolerance: float | None
) -> int:
    """How many epochs have passed since the last one whose agreement is within tolerance."""
    rows = [row for row in history if row["epoch"] >= warm_up_epochs]
    if tolerance is None or not rows or not all("table_agreement" in row for row in rows):
        return 0
    lowest = max(row["table_agreement"] for row in rows) - tolerance
    near = [i for i, row in enumerate(rows) if row["table_agreement"] >= lowest]
    return len(rows) - 1 - near[-1]
