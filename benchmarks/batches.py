"""What a batch key, the correction and refining do to two data sets of two batches each.

``multicenter`` is one blood measured on two instruments, and both are gated. HIMC is one control
sample on two plates, and only Plate3 is gated.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real import data_folder, real

#: By data set: its file, the column of the batch, the batch that trains alone, the one that is
#: scored, and what its cells need.
SETS = {
    "multicenter": ("cells.h5ad", "instrument", "A", "B", ["dataset.transform=asinh"]),
    "himc": ("himc.h5ad", "batch", "Plate3", "Plate3", []),
}
#: Cells whose markers are compared between batches.
COMPARED = 40_000


def measure_batches(n_seeds: int) -> list[dict[str, Any]]:
    """A row for each data set and seed; nothing where the data are not."""
    data = data_folder()
    if data is None:
        return []
    return [_measure(data, name, seed) for name in SETS for seed in range(n_seeds)]


def _measure(data: Path, name: str, seed: int) -> dict[str, Any]:
    """Trainings of one batch alone and of both, by one seed."""
    file, key, alone, scored, needs = SETS[name]
    dataset = [*real(data, name, cells=file), *needs, f"seed={seed}"]
    with tempfile.TemporaryDirectory() as scratch:
        one, both = Path(scratch, "one"), Path(scratch, "both")
        _train(one, [*dataset, f"dataset.subset={{{key}:{alone}}}"])
        _train(both, [*dataset, f"dataset.batch_key={key}", "correct.refine=true"])
        row = {"data": name, "seed": seed, "alone": alone, "scored": scored}
        row |= dict(_accuracies(data / name / file, key, scored, one, both))
        return row | _mixing(data / name / file, key, both)


def _train(folder: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "scyan_exp", "train", *arguments]
    quiet = ["figures.draw=none", "logger=none", f"hydra.run.dir={folder}"]
    subprocess.run([*command, *quiet], check=True, capture_output=True)


def _accuracies(
    path: Path, key: str, scored: str, one: Path, both: Path
) -> Iterator[tuple[str, float]]:
    """Of three models on the gated cells of one batch."""
    import anndata

    from scyan_exp import annotate
    from scyan_exp.run.folder import RunFolder

    adata = anndata.read_h5ad(path)
    adata = adata[adata.obs[key] == scored].copy()
    models = {"one": RunFolder(one), "both": RunFolder(both), "refined": RunFolder(both).refined}
    for name, folder in models.items():
        annotation = annotate(folder.best, adata)
        populations = np.array(annotation.table.populations, dtype=object)
        labels = adata.obs["cell_type"].astype(object).to_numpy()
        is_row = np.isin(labels.astype(str), populations.astype(str))
        yield name, float((populations[annotation.population] == labels)[is_row].mean())


def _mixing(path: Path, key: str, both: Path) -> dict[str, float]:
    """iLISI, and the gap between batches, before and after corrections by both models."""
    import anndata

    from scyan_exp.data.cells import encode_cells
    from scyan_exp.metrics.mixing import ILISI_CELLS, mean_lisi
    from scyan_exp.metrics.sampling import sample
    from scyan_exp.results.annotation import load_model, predict_cells
    from scyan_exp.results.correction import corrected_inputs, largest_batch
    from scyan_exp.run.folder import RunFolder

    adata = anndata.read_h5ad(path)
    batches = adata.obs[key].astype(str)
    some, few = sample(len(adata), COMPARED), sample(COMPARED, ILISI_CELLS)
    first, refined = (load_model(one.best) for one in (RunFolder(both), RunFolder(both).refined))
    x, covariates = encode_cells(adata[some], first.table, first.preprocessing, first.encoding)
    population, batch = (
        predict_cells(first, x, covariates).population,
        batches.to_numpy()[some],
    )
    values = {"uncorrected": x.numpy()}
    for name, model in (("corrected", first), ("refined", refined)):
        values[name] = corrected_inputs(model, x, covariates, largest_batch(batches))
    found = {f"ilisi_{name}": mean_lisi(one[few], batch[few]) for name, one in values.items()}
    return found | {f"gap_{name}": _gap(one, population, batch) for name, one in values.items()}


def _gap(x_NM: np.ndarray, population_N: np.ndarray, batch_N: np.ndarray) -> float:
    """Mean distance of a marker's means in two batches, within populations of 50 cells or more."""
    first, second = np.unique(batch_N)
    gaps = []
    for one in np.unique(population_N):
        parts = [x_NM[(population_N == one) & (batch_N == batch)] for batch in (first, second)]
        if min(map(len, parts)) >= 50:
            gaps.append(np.abs(parts[0].mean(axis=0) - parts[1].mean(axis=0)).mean())
    return float(np.mean(gaps))


def markdown(rows: list[dict[str, Any]]) -> str:
    """As a table: a line a seed."""
    lines = [
        "| data | seed | accuracy: one batch alone | both, batch key | refined model "
        "| iLISI before | corrected | refined | gap before | corrected | refined |",
        "|" + " --- |" * 11,
    ]
    for row in rows:
        where = f"{row['data']}: {row['alone']} alone, scored on {row['scored']}"
        accuracies = [f"{row[name]:.3f}" for name in ("one", "both", "refined")]
        names = ("uncorrected", "corrected", "refined")
        mixing = [f"{row[f'ilisi_{name}']:.2f}" for name in names]
        gaps = [f"{row[f'gap_{name}']:.2f}" for name in names]
        cells = [where, str(row["seed"]), *accuracies, *mixing, *gaps]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
