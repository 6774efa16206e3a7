"""What ``dataset.transform=auto`` chooses, for cells as they come."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data.reading import read_cells
from scyan_exp.data.synthetic import draw_cells
from scyan_exp.data.transforms.choosing import choose_transform
from tests.data.fcs_files import FcsFile
from tests.data.raw_cells import counts, flow
from tests.data.spleen import read_spleen


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


CELLS = {
    "counts": (counts(), "asinh"),
    "counts with noise below one ion": (
        counts() - np.random.default_rng(1).random((2000, 4)),
        "asinh",
    ),
    "twenty cells of counts": (counts(20), "asinh"),
    "counts transformed": (np.arcsinh(counts() / 5), "none"),
    "counts as logarithms": (np.log2(counts() + 1), "none"),
    "counts standardised": (standardised(counts()), "none"),
    "flow": (flow(), "logicle"),
    "flow of low voltage": (flow() / 100, "logicle"),
    "flow of a scale of millions": (flow() * 20, "logicle"),
    "flow without negative values": (np.maximum(flow(), 0), "logicle"),
    "twenty cells of flow": (flow(20), "logicle"),
    "positive cells alone": (np.abs(flow()) + 5000, "logicle"),
    "flow transformed": (np.arcsinh(flow() / 150), "none"),
    "flow transformed to 1,024 steps": (128 * np.arcsinh(flow() / 150), "none"),
    "flow transformed to 4,096 steps": (500 + 400 * np.arcsinh(flow() / 150), "none"),
    "flow standardised": (standardised(flow()), "none"),
    "synthetic": (np.asarray(draw_cells(2000, 0, 0.4).X), "none"),
    "one cell": (np.array([[0.5, 2.0]]), "none"),
    "one cell of flow": (np.array([[500.0, 20_000.0]]), "logicle"),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_transform_that_cells_look_to_need(name):
    x, expected = CELLS[name]
    assert choose_transform(x).transform == expected


@pytest.mark.parametrize("name", ["counts", "counts transformed", "flow", "flow transformed"])
@pytest.mark.parametrize("constant", [0.0, 3.0, 1e6])
def test_one_odd_marker_changes_nothing(name, constant):
    x, expected = CELLS[name]
    x = np.column_stack([x, np.full(len(x), constant)])
    assert choose_transform(x).transform == expected


def test_the_reason_has_numbers():
    assert choose_transform(counts()).why == (
        "they are counts of CyTOF: in half of the markers 58% of the cells have at most one ion"
    )
    flow_why = choose_transform(flow()).why
    assert flow_why.startswith("they are linear intensities of flow cytometry: a quarter of the")
    assert "times as far from the median as low ones" in flow_why
    below = choose_transform(np.arcsinh(counts() / 5)).why
    assert below.endswith("of the markers stay below 3.5 (raw ones exceed 30)")
    alike = choose_transform(128 * np.arcsinh(flow() / 150)).why
    assert alike.endswith("times as far from the median as low ones (of raw ones 10 times)")


@pytest.mark.parametrize(("decades", "zero"), [(4, 1), (4, 0.1), (5, 1)])
@pytest.mark.parametrize("scale", [10, 100])
def test_logarithmic_amplifiers_are_no_counts(tmp_path, decades, zero, scale):
    """Their least value is above 0, and many cells have it."""
    x = read_cells(amplified(tmp_path / "a.fcs", flow() / scale, decades, zero)).X
    assert (x == x.min(axis=0)).mean() > 0.2
    assert choose_transform(x).transform == "logicle"


def amplified(path: Path, x: np.ndarray, decades: float, zero: float) -> Path:
    """Linear intensities as an amplifier of 1,024 steps writes them."""
    steps = np.floor(1024 / decades * np.log10(np.maximum(x, 1e-9) / zero))
    names = [f"FL{n}" for n in range(1, x.shape[1] + 1)]
    keywords: dict[str, str | None] = {}
    for n in range(1, len(names) + 1):
        keywords |= {f"$P{n}E": f"{decades},{zero}", f"$P{n}R": "1024"}
    types = ["u2"] * len(names)
    return FcsFile(np.clip(steps, 0, 1023), names, types, keywords).write(path)


# ---------------------------------------------------------------- real cells


def expressions(folder: Path, file: str = "cells.h5ad") -> anndata.AnnData:
    """The cells, at the markers of their table."""
    cells = anndata.read_h5ad(folder / file)
    markers = [m for m in pd.read_csv(folder / "table.csv", index_col=0) if m in cells.var_names]
    return cells[:, markers].to_memory()


def by(cells: anndata.AnnData, key: str, x: np.ndarray) -> dict[str, str]:
    """What is chosen for the cells of each value of a column."""
    groups = cells.obs.groupby(key, observed=True).indices
    return {name: choose_transform(x[rows]).transform for name, rows in groups.items()}


def test_real_cells_that_are_transformed_already(real_data: Path):
    for name, file in (("aml", "short.h5ad"), ("himc", "himc.h5ad"), ("hipc_tcell", "cells.h5ad")):
        cells = expressions(real_data / name, file)
        assert choose_transform(cells.X).transform == "none", name
        assert set(by(cells, "cell_type", cells.X).values()) == {"none"}, name


def test_real_counts_sample_by_sample_and_gate_by_gate(real_data: Path):
    multicenter = expressions(real_data / "multicenter")
    assert choose_transform(multicenter.X).transform == "asinh"
    samples = by(multicenter, "sample", multicenter.X)
    assert len(samples) == 16
    assert set(samples.values()) == {"asinh"}
    himc = expressions(real_data / "himc", "himc.h5ad")
    raw = 5 * np.sinh(himc.X)
    assert choose_transform(raw).transform == "asinh"
    for cells, x in ((multicenter, multicenter.X), (himc, raw)):
        assert set(by(cells, "cell_type", x).values()) == {"asinh"}


@pytest.mark.parametrize(("scale", "zero"), [(1, 1), (100, 1), (100, 0.1)])
def test_the_spleen_by_logarithmic_amplifiers(tmp_path, real_data: Path, scale, zero):
    raw = read_cells(real_data / "mouse_spleen" / "spleen_raw.fcs", compensation=False)
    markers = list(pd.read_csv(real_data / "mouse_spleen" / "table.csv", index_col=0))
    path = amplified(tmp_path / "a.fcs", raw[:, markers].X / scale, 4, zero)
    assert choose_transform(read_cells(path).X).transform == "logicle"


def test_the_spleen_raw_and_prepared(real_data: Path):
    folder = real_data / "mouse_spleen"
    raw = read_spleen(folder, transformed=False)
    assert choose_transform(raw.X).transform == "logicle"
    assert choose_transform(raw.X[:100]).transform == "logicle"
    assert set(by(raw, "cell_type", raw.X).values()) == {"logicle"}
    assert choose_transform(read_spleen(folder).X).transform == "none"
