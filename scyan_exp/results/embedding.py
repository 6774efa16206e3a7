"""A UMAP of the cells: a picture of them in two dimensions, with umap-learn (extra ``umap``)."""

from __future__ import annotations

import importlib
import warnings

import numpy as np

#: Cells that are placed at most: more take minutes, and lie on top of each other.
MOST_CELLS = 20_000


#: Where the UMAP of the cells lies in ``obsm``.
UMAP_KEY = "X_scyan_umap"


def umap_of(x_NM: np.ndarray) -> np.ndarray:
    """(N, 2) float32 places of cells by their model inputs (N, M).

    Of more than ``MOST_CELLS`` cells, as many that are evenly spaced; NaN for the others.
    """
    with warnings.catch_warnings():  # of its imports, and that a seed allows one thread only
        warnings.simplefilter("ignore")
        umap = importlib.import_module("umap")
        n_cells = len(x_NM)
        some = np.arange(n_cells)
        if n_cells > MOST_CELLS:
            some = np.linspace(0, n_cells - 1, MOST_CELLS).astype(int)
        places_N2 = np.full((n_cells, 2), np.nan, np.float32)
        n_neighbors = max(2, min(15, len(some) - 1))
        places_N2[some] = umap.UMAP(random_state=0, n_neighbors=n_neighbors).fit_transform(
            np.asarray(x_NM[some], np.float32)
        )
    return places_N2
