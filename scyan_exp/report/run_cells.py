"""What a run's page says of the cells: means and densities a population, labels, and the UMAP.

Of each population at most 1,000 cells are looked at, evenly spaced, so that small populations are
seen as well as large ones. Counts and labels are of all cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scyan_exp.errors import InputError
from scyan_exp.report.annotated import Column, column
from scyan_exp.report.numbers import all_rounded, rounded
from scyan_exp.results.columns import LATENT, key_of
from scyan_exp.results.verdict import contradiction
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord

if TYPE_CHECKING:
    from scyan_exp.data.table import KnowledgeTable
    from scyan_exp.training.scyan import Scyan

Data = dict[str, Any]
#: Cells looked at, of each population.
MOST_CELLS = 1000
#: Cells below which nothing is drawn of a population.
FEWEST_CELLS = 5
#: Points of a density, and the shares of the cells between which it is drawn.
BINS = 48
RANGE = (0.5, 99.5)
#: Labels shown besides the populations of the table.
MOST_LABELS = 40
#: A latent mean on the other side is told from this distance on.
CLEARLY = 0.1


def cells_data(folder: Path, checkpoint: Path, label_key: str | None) -> Data | None:
    """What there is to show of the cells.

    Args:
        folder: of the run.
        checkpoint: of its model, or of one of its repeats.
        label_key: the column of true populations.

    Returns:
        None if the run has annotated no cells, or its model is gone.
    """
    import h5py

    path = RunFolder(folder).annotated
    if not path.is_file() or not checkpoint.is_file():
        return None
    from scyan_exp.results.annotation import load_model

    model = load_model(checkpoint)
    table = model.table
    try:
        with h5py.File(path, "r") as file:
            annotated = column(file, key_of(file))
            if annotated is None:
                return None
            codes_N = annotated.as_codes_of(table.populations)
            labels = column(file, label_key) if label_key else None
            some = chosen_cells(codes_N, len(table.populations))
            latent = means(file["obsm"][LATENT][:][some], codes_N[some], table)
            umap = _umap(file, codes_N)
    except (OSError, KeyError):  # damaged, or of another program
        return None
    x = _inputs(path, model, some)
    expression = None if x is None else means(x, codes_N[some], table)
    return {
        "populations": table.populations,
        "markers": table.markers,
        "rho": [all_rounded(row) for row in table.rho.tolist()],
        "counts": np.bincount(codes_N[codes_N >= 0], minlength=len(table.populations)).tolist(),
        "unannotated": int((codes_N < 0).sum()),
        "latent": _listed(latent),
        "expression": None if expression is None else _listed(expression),
        "flags": flags(table, latent, expression, _remarks(folder)),
        "densities": None if x is None or not len(some) else densities(x, codes_N[some], table),
        "confusion": None if labels is None else confusion(labels, codes_N, table.populations),
        "umap": umap,
    }


def chosen_cells(codes_N: np.ndarray, n_populations: int) -> np.ndarray:
    """Sorted indices of at most ``MOST_CELLS`` cells of each population, evenly spaced."""
    found = []
    for p in range(n_populations):
        own = np.flatnonzero(codes_N == p)
        if len(own) > MOST_CELLS:
            own = own[np.linspace(0, len(own) - 1, MOST_CELLS).astype(int)]
        found.append(own)
    return np.sort(np.concatenate(found))


def means(x_BM: np.ndarray, codes_B: np.ndarray, table: KnowledgeTable) -> np.ndarray:
    """(P, M) mean of the cells of each population; NaN for one without cells."""
    n_pops = len(table.populations)
    counts_P = np.bincount(codes_B, minlength=n_pops)
    sums = [np.bincount(codes_B, weights=x_B, minlength=n_pops) for x_B in x_BM.T]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.stack(sums, axis=1) / np.where(counts_P, counts_P, np.nan)[:, None])


def flags(
    table: KnowledgeTable,
    latent_PM: np.ndarray,
    expression_PM: np.ndarray | None,
    remarks: dict[str, list[str]],
) -> list[Data]:
    """Entries that the cells annotated so do not follow, in words.

    Those of the verdict (the cells are on the other side of the marker's threshold), and those
    whose mean in latent space has the other sign.
    """
    found = []
    for p, population in enumerate(table.populations):
        for m in np.flatnonzero(np.nan_to_num(table.rho[p])):
            marker, rho = table.markers[m], table.rho[p, m]
            remark = contradiction(marker, rho)
            if remark in remarks.get(population, []):
                text = f"{population}: {remark}"
                if expression_PM is not None:
                    text += _beside(expression_PM[:, m], table.rho[:, m], p)
            elif latent_PM[p, m] * np.sign(rho) < -CLEARLY:
                said, mean = "+" if rho > 0 else "-", _signed(float(latent_PM[p, m]))
                text = f"{population}: {marker} is {said} in the table, {mean} in the cells "
                text += "annotated so (latent mean)"
            else:
                continue
            found.append({"population": p, "marker": int(m), "text": text})
    return found


def _beside(mean_P: np.ndarray, rho_P: np.ndarray, p: int) -> str:
    """The mean expression of a population, beside those of the others with + and with -."""
    others = np.arange(len(rho_P)) != p
    plus, minus = (mean_P[others & side & np.isfinite(mean_P)] for side in (rho_P > 0, rho_P < 0))
    if not len(plus) or not len(minus):
        return ""
    return (
        f": their mean is {_signed(float(mean_P[p]))}, that of the other populations with + "
        f"{_signed(float(plus.mean()))}, with - {_signed(float(minus.mean()))}"
    )


def densities(x_BM: np.ndarray, codes_B: np.ndarray, table: KnowledgeTable) -> list[Data]:
    """Of each marker the distribution of the model's inputs in each population.

    Each curve has its highest point at 1; empty for populations of very few cells.
    """
    found = []
    for m, marker in enumerate(table.markers):
        low, high = np.percentile(x_BM[:, m], RANGE)
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        curves = [_density(x_BM[codes_B == p, m], edges) for p in range(len(table.populations))]
        ends = {"from": rounded(float(edges[0])), "to": rounded(float(edges[-1]))}
        found.append({"marker": marker, **ends, "of": curves})
    return found


def confusion(labels: Column, codes_N: np.ndarray, populations: Sequence[str]) -> Data:
    """Cells by their label (a row) and what they are annotated as (a column; the last: nothing).

    Labels that are populations of the table come first, in its order.
    """
    is_row = [name for name in populations if name in labels.categories]
    others = [name for name in labels.categories if name not in set(populations)]
    size = dict(zip(others, labels.counts(others).tolist(), strict=True))
    shown = sorted(others, key=lambda name: -size[name])[:MOST_LABELS]
    names = [*is_row, *shown]
    labels_N = labels.as_codes_of(names)
    n_columns = len(populations) + 1
    labelled = labels_N >= 0
    columns_N = np.where(codes_N < 0, n_columns - 1, codes_N)
    pairs = labels_N[labelled].astype(np.int64) * n_columns + columns_N[labelled]
    counts = np.bincount(pairs, minlength=len(names) * n_columns).reshape(len(names), n_columns)
    left_out = len(others) - len(shown)
    return {
        "labels": names,
        "n_rows": len(is_row),
        "n_left_out": left_out,
        "counts": counts.tolist(),
    }


def _density(x_B: np.ndarray, edges: np.ndarray) -> list[float | int | None]:
    """A histogram, smoothed a little, with its highest point at 1."""
    if len(x_B) < FEWEST_CELLS:
        return []
    counts, _ = np.histogram(np.clip(x_B, edges[0], edges[-1]), edges)
    smooth = np.convolve(
        counts, [0.03, 0.08, 0.14, 0.16, 0.18, 0.16, 0.14, 0.08, 0.03], mode="same"
    )
    return all_rounded((smooth / max(smooth.max(), 1e-9)).tolist(), 3)


def _inputs(path: Path, model: Scyan, some: np.ndarray) -> np.ndarray | None:
    """(B, M) what the model was given of some cells; None where the markers are not there."""
    from scyan_exp.data.sources import read_expressions, read_h5ad

    try:
        adata = read_h5ad(path)
        try:
            return np.asarray(
                model.preprocessing.apply(read_expressions(adata, model.table.markers)[some])
            )
        finally:
            adata.file.close()
    except (InputError, IndexError, OSError):
        return None


def _remarks(folder: Path) -> dict[str, list[str]]:
    record = RunRecord.read(folder)
    return dict((record.trust or {}).get("populations", {})) if record else {}


def _umap(file: Any, codes_N: np.ndarray) -> Data | None:
    """The cells that have a place in the UMAP."""
    if "X_scyan_umap" not in file["obsm"]:
        return None
    places = np.asarray(file["obsm"]["X_scyan_umap"][:], float)
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    x, y = (np.round(places[placed, i], 2).tolist() for i in (0, 1))
    return {"x": x, "y": y, "population": codes_N[placed].tolist()}


def _listed(values_PM: np.ndarray) -> list[list[Any]]:
    return [all_rounded(row, 3) for row in values_PM.tolist()]


def _signed(value: float) -> str:
    return f"{value:+.1f}" if abs(value) >= 0.05 else f"{value:+.2f}"
