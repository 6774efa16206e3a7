"""Numbers that say how good an annotation is, with and without labels."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from scyan_exp.config.objectives import BATCH_OBJECTIVES, LABEL_OBJECTIVES
from scyan_exp.data.cells import Cells
from scyan_exp.errors import listed
from scyan_exp.results.annotation import Annotation, predict_cells
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)

#: Cells on which the Davies-Bouldin index is computed at most.
DAVIES_BOULDIN_CELLS = 200_000
#: A variance below this share of that of all cells is none.
CONSTANT = 1e-12
#: Cells that a search measures in an epoch at most: of 5,000 the heuristic is too noisy.
EPOCH_CELLS = 20_000
#: Cells on which iLISI is computed at most: its cost grows with their square (5,000: 0.6 s), and
#: its mean is within a few thousandths of that of all cells.
ILISI_CELLS = 5_000
#: Effective number of neighbours that iLISI looks at (Korsunsky et al. 2019).
ILISI_PERPLEXITY = 30


def compute_metrics(annotation: Annotation, cells: Cells) -> dict[str, float]:
    """All metrics that the cells allow. Every cell counts, however improbable."""
    metrics = unsupervised_metrics(
        annotation.population, cells.x.numpy(), len(cells.table.populations)
    )
    metrics["table_agreement"] = table_agreement(
        cells.x.numpy(), annotation.population, cells.table.rho
    )
    if cells.batches is not None:
        metrics["ilisi"] = ilisi(annotation.latent, cells.batches)
        metrics["heuristic"] /= metrics["ilisi"]
    if cells.labels is not None:
        names = np.array(cells.table.populations, dtype=object)
        metrics |= supervised_metrics(cells.labels, names[annotation.population], names)
    return metrics


class EpochMetric:
    """A metric of a model in training, on some of the cells: what a search sees of an epoch.

    Args:
        name: the metric.
        cells: all cells; a sample of them is measured.
    """

    def __init__(self, name: str, cells: Cells) -> None:
        some = _sample(len(cells), EPOCH_CELLS)
        self._name = name
        self._cells = replace(
            cells,
            x=cells.x[some],
            covariates=cells.covariates[some],
            labels=_some(cells.labels, some) if name in LABEL_OBJECTIVES else None,
            # Mixing of batches takes longer than an epoch, and varies little.
            batches=_some(cells.batches, some) if name in BATCH_OBJECTIVES else None,
        )

    def __call__(self, model: Scyan) -> float:
        """Its value now."""
        if self._name == "loss":
            return model.epoch_metrics["loss"]
        annotation = predict_cells(model, self._cells.x, self._cells.covariates)
        model.train()
        return compute_metrics(annotation, self._cells)[self._name]


def _some(column: pd.Series | None, some: np.ndarray) -> pd.Series | None:
    return None if column is None else column.iloc[some]


def _sample(n_cells: int, n_wanted: int) -> np.ndarray:
    """Indices of some cells, always the same; at random, as batches may stand in turns."""
    if n_cells <= n_wanted:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(0).choice(n_cells, n_wanted, replace=False))


def supervised_metrics(
    labels: pd.Series, predicted: np.ndarray, populations: np.ndarray
) -> dict[str, float]:
    """Agreement with true labels, on the cells whose label is a row of the table.

    Args:
        labels: N true populations.
        predicted: N predicted populations.
        populations: the populations of the table.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    scored = labels.isin(populations).to_numpy()
    if not scored.any():
        log.warning(
            "no label is a row of the table, so accuracy is not measured. Labels: %s. Rows: %s",
            listed(sorted(map(str, labels.dropna().unique()))) or "none",
            listed(populations),
        )
        return {}
    # As numbers: sorting a hundred thousand names takes half a second.
    codes = pd.Index(populations)
    true, predicted = codes.get_indexer(labels[scored]), codes.get_indexer(predicted[scored])
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "f1_macro": float(f1_score(true, predicted, average="macro")),
        "balanced_accuracy": float(
            recall_score(true, predicted, labels=np.unique(true), average="macro")
        ),
    }


def unsupervised_metrics(
    population_N: np.ndarray, x_NM: np.ndarray, n_pops: int
) -> dict[str, float]:
    """The parts of the reference's heuristic, and the heuristic: lower is better.

    ``n_missing_populations``: populations without a cell. ``davies_bouldin``: overlap of the
    populations' expressions; infinite when there are fewer than two. ``neg_log_dirichlet``:
    minus the sum of the log proportions of the populations found. ``heuristic``:
    ``(n_missing_populations + 1) * davies_bouldin * neg_log_dirichlet``.

    Args:
        population_N: (N,) predicted population indices.
        x_NM: (N, M) model inputs.
        n_pops: number of populations P.
    """
    counts = np.bincount(population_N, minlength=n_pops)
    proportions = counts[counts > 0] / counts.sum()
    n_missing = int((counts == 0).sum())
    davies_bouldin = _davies_bouldin(population_N, x_NM)
    neg_log_dirichlet = float(-np.log(proportions).sum())
    return {
        "n_missing_populations": n_missing,
        "davies_bouldin": davies_bouldin,
        "neg_log_dirichlet": neg_log_dirichlet,
        # One population alone has neg_log_dirichlet 0: still the worst annotation.
        "heuristic": (n_missing + 1) * davies_bouldin * neg_log_dirichlet
        if neg_log_dirichlet > 0
        else float("inf"),
    }


def table_agreement(x_NM: np.ndarray, population_N: np.ndarray, rho_PM: np.ndarray) -> float:
    """How well the expressions of annotated cells follow the table, at most 1.

    Of each marker: the correlation of the cells' expressions with the table's entries for their
    populations, over the cells whose population has an entry, times the share of these cells.
    Then the mean over the markers for which the table has different entries. An unknown entry
    counts as no agreement: otherwise cells could hide in populations of which the table says
    little, which is how trainings fail.

    Args:
        x_NM: (N, M) model inputs; the scale of a marker makes no difference.
        population_N: (N,) population indices.
        rho_PM: (P, M) knowledge table, NaN where not known.
    """
    n_cells, n_pops = len(x_NM), len(rho_PM)
    n_known = [len(np.unique(column[~np.isnan(column)])) for column in rho_PM.T]
    markers = [m for m, n in enumerate(n_known) if n > 1]
    n_P = np.bincount(population_N, minlength=n_pops).astype(float)
    return sum(
        _correlation(x_NM[:, m], population_N, n_P, rho_PM[:, m])
        * n_P[~np.isnan(rho_PM[:, m])].sum()
        / n_cells
        for m in markers
    ) / max(len(markers), 1)


def _correlation(
    x_N: np.ndarray, population_N: np.ndarray, n_P: np.ndarray, rho_P: np.ndarray
) -> float:
    """Pearson correlation of expressions with the entries of their populations, where known."""
    known, n_pops = ~np.isnan(rho_P), len(rho_P)
    x_N = x_N.astype(np.float64)
    x_N = x_N - x_N.mean()
    sum_P = np.bincount(population_N, weights=x_N, minlength=n_pops)[known]
    square_P = np.bincount(population_N, weights=x_N**2, minlength=n_pops)[known]
    n_P, rho_P = n_P[known], rho_P[known]
    n = n_P.sum()
    if n == 0:
        return 0.0
    mean_x, mean_rho = sum_P.sum() / n, n_P @ rho_P / n
    var_x, var_rho = square_P.sum() / n - mean_x**2, n_P @ rho_P**2 / n - mean_rho**2
    if var_x <= CONSTANT * (x_N @ x_N) / len(x_N) or var_rho <= CONSTANT:
        return 0.0
    return float((sum_P @ rho_P / n - mean_x * mean_rho) / np.sqrt(var_x * var_rho))


def ilisi(latent_NM: np.ndarray, batches: pd.Series) -> float:
    """How well batches mix in latent space: the mean of the integration LISI of cells.

    1 when the neighbours of a cell are of its own batch alone, up to the number of batches when
    they are mixed (Korsunsky et al. 2019, doi 10.1038/s41592-019-0619-0). The heuristic is
    divided by it.

    Args:
        latent_NM: (N, M) latent expressions.
        batches: N batches.
    """
    from harmonypy import compute_lisi

    some = _sample(len(latent_NM), ILISI_CELLS)
    latent_NM, codes = latent_NM[some], pd.factorize(batches.iloc[some])[0]
    perplexity = min(ILISI_PERPLEXITY, (len(latent_NM) - 1) // 3)  # it looks at three times as many
    if perplexity < 1:
        return 1.0
    values = compute_lisi(latent_NM, pd.DataFrame({"batch": codes}), ["batch"], perplexity)
    return float(np.maximum(values, 1).mean())  # cells without a neighbour in reach give less


def _davies_bouldin(population_N: np.ndarray, x_NM: np.ndarray) -> float:
    from sklearn.metrics import davies_bouldin_score

    step = -(-len(x_NM) // DAVIES_BOULDIN_CELLS)
    population_N, x_NM = population_N[::step], x_NM[::step]
    if not 2 <= len(np.unique(population_N)) < len(x_NM):
        return float("inf")
    return float(davies_bouldin_score(x_NM, population_N))
