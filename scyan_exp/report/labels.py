"""What tells runs from each other, without what all of them have in common."""

from __future__ import annotations

from collections.abc import Sequence


def labels_of(overrides: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """A label for each of several runs, and the overrides that all of them have.

    Args:
        overrides: those of each run, as typed. A run without any has nothing in common with others.

    Example:
        >>> labels_of([["seed=0", "flow=deep"], ["seed=1", "flow=deep"]])
        (['seed=0', 'seed=1'], ['flow=deep'])
    """
    given = [set(one) for one in overrides]
    shared = set.intersection(*given) if len(given) > 1 else set()
    labels = [" ".join(part for part in one if part not in shared) for one in overrides]
    return labels, [part for part in overrides[0] if part in shared] if shared else []
