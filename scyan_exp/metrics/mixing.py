"""How well batches mix."""

from __future__ import annotations

import numpy as np

from scyan_exp.metrics.registry import metric
from scyan_exp.metrics.sampling import sample

#: Cells on which iLISI is computed at most: its cost grows with their square (5,000: 0.6 s), and
#: its mean is within a few thousandths of that of all cells.
ILISI_CELLS = 5_000
#: Effective number of neighbours that iLISI looks at (Korsunsky et al. 2019).
ILISI_PERPLEXITY = 30


@metric(direction="maximize", needs=("batches",))
def ilisi(latent_NM: np.ndarray, batch_N: np.ndarray) -> float:
    """How well batches mix in latent space: the mean of the integration LISI of cells.

    1 when the neighbours of a cell are of its own batch alone, up to the number of batches when
    they are mixed (Korsunsky et al. 2019, doi 10.1038/s41592-019-0619-0).

    Args:
        latent_NM: (N, M) latent expressions.
        batch_N: (N,) batches as numbers.
    """
    import pandas as pd
    from harmonypy import compute_lisi

    some = sample(len(latent_NM), ILISI_CELLS)
    latent_NM, codes = latent_NM[some], pd.factorize(batch_N[some])[0]
    perplexity = min(ILISI_PERPLEXITY, (len(latent_NM) - 1) // 3)  # it looks at three times as many
    if perplexity < 1:
        return 1.0
    values = compute_lisi(latent_NM, pd.DataFrame({"batch": codes}), ["batch"], perplexity)
    return float(np.maximum(values, 1).mean())  # cells without a neighbour in reach give less
