"""Shares of populations by sample, beside those of the gates: 16 samples x 4 populations."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from benchmarks.real import data_folder, real

#: What is known of the cells that have no gate: they are none of the four populations.
OTHER = {"Populations": "Other cells", "CD45": 1, "CD61": -1}
OTHER |= {"CD3": -1, "CD4": -1, "CD14": -1, "CD20": -1}


def measure_shares(seeds: int = 3) -> list[dict[str, Any]]:
    """Rows of each seed, with the table and with one row more; nothing where the data are not."""
    data = data_folder()
    if data is None:
        return []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        cells = [*real(data, "multicenter"), "dataset.transform=asinh", "dataset.cofactor=5"]
        more = with_other_cells(data / "multicenter" / "table.csv", Path(folder) / "table.csv")
        for seed in range(seeds):
            rows += [{"seed": seed, **row} for row in _measure(cells, seed)]
            *_, as_annotated = _measure([*cells, f"table.path={more}"], seed)
            as_annotated["of"] += ", with a row for other cells"
            rows.append({"seed": seed, **as_annotated})
    return rows


def with_other_cells(table: Path, path: Path) -> Path:
    """Write a table with one row more, for cells that are none of its populations."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows([*rows, OTHER])
    return path


def _measure(cells: list[str], seed: int) -> list[dict[str, Any]]:
    """A row each for shares of gated cells, of all without the ungated, of all as annotated."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "scyan_exp", "train", *cells, f"seed={seed}"]
        command += ["logger=none", "figures.draw=none", "biomarkers.sample_key=sample"]
        subprocess.run([*command, f"hydra.run.dir={folder}"], check=True, capture_output=True)
        obs = anndata.read_h5ad(Path(folder) / "annotated.h5ad", backed="r").obs
        counted = pd.read_csv(Path(folder) / "populations.csv")
    true = _counts(obs, "cell_type")
    true = true[[name for name in true if name in set(counted["population"])]]
    gated = obs[obs["cell_type"].isin(true.columns)]
    ours = _counts(gated, "scyan_pop").reindex(columns=true.columns, fill_value=0)
    of_gated, of_all = gated["sample"].value_counts(), obs["sample"].value_counts()
    written = counted.pivot(index="sample", columns="population", values="share")
    pairs = {
        "gated cells": (_of(true, of_gated), _of(ours, of_gated)),
        "all cells, those without a gate left out": (_of(true, of_all), _of(ours, of_all)),
        "all cells, as annotated": (_of(true, of_all), written.loc[true.index, true.columns]),
    }
    return [{"of": of, **agreement(*pair)} for of, pair in pairs.items()]


def _counts(obs: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row a sample, a column a name."""
    return pd.crosstab(obs["sample"].astype(str), obs[column].astype(str))


def _of(counts: pd.DataFrame, whole: pd.Series) -> pd.DataFrame:
    return counts.div(whole.rename(index=str).loc[counts.index], axis=0)


def agreement(true_SP: pd.DataFrame, ours_SP: pd.DataFrame) -> dict[str, Any]:
    """How well shares agree: over all pairs, and of the population where they agree least."""
    by_population = {
        name: float(np.corrcoef(true_SP[name], ours_SP[name])[0, 1]) for name in true_SP
    }
    worst = min(by_population, key=by_population.__getitem__)
    difference = (ours_SP - true_SP).abs().to_numpy()
    return {
        "pairs": true_SP.size,
        "pearson": float(np.corrcoef(true_SP.to_numpy().ravel(), ours_SP.to_numpy().ravel())[0, 1]),
        "largest": float(difference.max()),
        "mean": float(difference.mean()),
        "worst": worst,
        "pearson_of_worst": by_population[worst],
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| share of | seed | correlation | largest difference | mean difference "
        "| lowest correlation within a population |",
        "|" + " --- |" * 6,
    ]
    ways = list(dict.fromkeys(row["of"] for row in rows))
    ordered = sorted(rows, key=lambda row: ways.index(row["of"]))
    lines += [
        f"| {row['of']} | {row['seed']} | {row['pearson']:.4f} | {100 * row['largest']:.1f} points "
        f"| {100 * row['mean']:.1f} points | {row['pearson_of_worst']:.3f} ({row['worst']}) |"
        for row in ordered
    ]
    return "\n".join(lines)
