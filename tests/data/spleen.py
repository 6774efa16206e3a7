"""The mouse spleen's raw FCS file made ready for Scyan, as a user would do it.

Compensated with the file's own spill matrix, logicle-transformed (T = 262144, M = 4.5, W = 0.5,
A = 0: the defaults of FlowUtils) and reduced to the markers of the table; standardising them is
left to ``scyan_exp``.
"""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data.reading import read_cells


def read_spleen(folder: Path, *, transformed: bool = True) -> anndata.AnnData:
    """All 19,225 events x 8 markers; ``obs["cell_type"]`` of the 13,671 that have a gate.

    Events without a gate stay, as in a sample of one's own: they are trained on, not scored.

    Args:
        folder: ``mouse_spleen`` of the real data.
        transformed: whether by logicle; compensated only otherwise.
    """
    flowutils = pytest.importorskip("flowutils")
    markers = list(pd.read_csv(folder / "table.csv", index_col=0).columns)
    gates = pd.read_csv(folder / "gates.csv").iloc[:, 0].to_numpy(str)
    expressions = read_cells(folder / "spleen_raw.fcs")[:, markers].X.astype(float)
    if transformed:
        expressions = flowutils.transforms.logicle(expressions, range(len(markers)))

    labels = pd.Categorical(
        np.where(gates == "Unlabeled", None, gates.astype(object)),
        categories=sorted({*gates} - {"Unlabeled"}),
    )
    return anndata.AnnData(
        expressions.astype(np.float32),
        obs=pd.DataFrame({"cell_type": labels}, index=[f"cell{i}" for i in range(len(gates))]),
        var=pd.DataFrame(index=markers),
    )
