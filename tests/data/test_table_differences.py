"""How two tables differ, in words."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.data.table_differences import table_differences

RHO = np.array([[1.0, -1.0], [np.nan, 0.5]])


def table(populations=("A", "B"), markers=("x", "y"), rho=RHO) -> KnowledgeTable:
    return KnowledgeTable(list(populations), list(markers), np.asarray(rho))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (table(), []),
        (table(("A", "C")), ["has rows C besides", "lacks rows B"]),
        (table(("B", "A")), ["has the rows in another order"]),
        (table(markers=("x", "z")), ["has markers z besides", "lacks markers y"]),
        (
            table(rho=[[1, np.nan], [1, 0.5]]),
            ["has other entries: A at y is unknown, not -1, B at x is 1, not unknown"],
        ),
    ],
)
def test_it_is_said_what_one_has_and_the_other_has_not(other, said):
    assert table_differences(other, table()) == said
