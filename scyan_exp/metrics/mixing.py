"""How well batches mix, before and after the batch effect is corrected.

The reference's searches measure the same: LISI of harmonypy at perplexity 30, on the standardised
expressions that ``batch_effect_correction`` gives, of 100,000 cells at most (its
``scripts/utils.py`` and ``scripts/lisi.py``). The fewer cells, the wider a neighbourhood.
"""

from __future__ import annotations

import numpy as np

from scyan_exp.metrics.inputs import CorrectedOf
from scyan_exp.metrics.registry import metric
from scyan_exp.metrics.sampling import sample

#: Cells on which iLISI is computed at most: its cost grows with their square (5,000: 0.6 s), and
#: its mean is within a few thousandths of that of all cells.
ILISI_CELLS = 5_000
#: Effective number of neighbours that iLISI looks at (Korsunsky et al. 2019).
ILISI_PERPLEXITY = 30


@metric(direction="maximize", needs=("batches",))
def ilisi(corrected_of: CorrectedOf, batch_N: np.ndarray) -> float:
    """How well batches mix after correction: the mean of the integration LISI of cells.

    1 when the neighbours of a cell are of its own batch alone, up to the number of batches when
    they are mixed (Korsunsky et al. 2019, doi 10.1038/s41592-019-0619-0).

    Args:
        corrected_of: gives corrected inputs (S, M) of some cells by their indices (S,).
        batch_N: (N,) batches as numbers.
    """
    some = sample(len(batch_N), ILISI_CELLS)
    return mean_lisi(corrected_of(some), batch_N[some])


@metric(direction="maximize", needs=("batches",))
def ilisi_uncorrected(x_NM: np.ndarray, batch_N: np.ndarray) -> float:
    """How well batches mix before correction: as :func:`ilisi`, of the inputs of the model.

    Args:
        x_NM: (N, M) inputs of the model.
        batch_N: (N,) batches as numbers.
    """
    some = sample(len(batch_N), ILISI_CELLS)
    return mean_lisi(x_NM[some], batch_N[some])


def mean_lisi(values_SM: np.ndarray, batch_S: np.ndarray) -> float:
    """The mean LISI of S cells with their neighbours among themselves."""
    import pandas as pd
    from harmonypy import compute_lisi

    perplexity = min(ILISI_PERPLEXITY, (len(values_SM) - 1) // 3)  # it looks at three times as many
    if perplexity < 1:
        return 1.0
    codes = pd.DataFrame({"batch": pd.factorize(batch_S)[0]})
    lisi_S = compute_lisi(values_SM, codes, ["batch"], perplexity)[:, 0]
    # Cells without a neighbour in reach give less than 1, or infinity before harmonypy 2.
    return float(np.where(np.isfinite(lisi_S), np.maximum(lisi_S, 1), 1).mean())
