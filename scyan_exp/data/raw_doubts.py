"""Whether cells that a config takes for transformed look raw."""

from __future__ import annotations

import numpy as np

from scyan_exp.config.formats import DataFormat
from scyan_exp.data.cells import Cells
from scyan_exp.data.sources import read_expressions
from scyan_exp.data.transforms.choosing import LEAST_LINEAR, choose_transform


def raw_doubts(cells: Cells, dataset: DataFormat) -> list[str]:
    """That the cells look raw, where ``dataset.transform`` is ``none``.

    Expressions above 1,000 are refused before. Others may be raw as well: counts of CyTOF, for
    instance, seldom go beyond that.

    Args:
        cells: N cells.
        dataset: how they were preprocessed.
    """
    if dataset.transform != "none" or not dataset.check_range:
        return []
    if np.max(np.abs(cells.preprocessing.quantiles or [[0.0]])) < LEAST_LINEAR:
        return []  # the file need not be read again
    choice = choose_transform(read_expressions(cells.adata, cells.table.markers))
    if choice.transform == "none":
        return []
    return [
        f"the cells look raw ({choice.why}), and nothing transforms them. Add "
        "dataset.transform=auto; if they are transformed, add dataset.check_range=false"
    ]
