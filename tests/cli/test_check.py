"""``scyan-exp check``: mistakes planted in the table of the built-in cells, and real tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scyan_exp.data.dataset import SyntheticDataset
from scyan_exp.data.synthetic import blood_table


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    """20,000 of the built-in cells, with a marker that the table does not have."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    SyntheticDataset(n_cells=20_000, label_key="population", prior_std=0.25).read().write_h5ad(path)
    return path


@pytest.fixture
def check(scyan_exp, tmp_path, cells):
    """Check the built-in table after an edit; what was said, a line each."""

    def run(edit=lambda frame: frame, *arguments: str, with_cells: bool = True) -> list[str]:
        table = blood_table()
        frame = pd.DataFrame(table.rho, table.populations, table.markers)
        edit(frame).to_csv(tmp_path / "table.csv")
        paths = ["table.csv", str(cells)] if with_cells else ["table.csv"]
        code, output = scyan_exp("check", *paths, *arguments)
        assert code == 0, output
        return [line for line in output.splitlines() if line.startswith(("wrong?", "look:"))]

    return run
