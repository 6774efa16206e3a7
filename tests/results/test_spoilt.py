"""A run that was spoilt on purpose is never called good; the right one beside it is.

On the synthetic cells, so that it can be tried anywhere; on the mouse spleen where there is one.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scyan_exp.data import load_pbmc_table
from scyan_exp.data.table import KnowledgeTable, load_table
from tests.data.spleen import read_spleen

pytestmark = pytest.mark.slow


@pytest.fixture
def verdict(scyan_exp, tmp_path):
    """Train, and return what is said of the run."""

    def judge(*arguments: str, table: KnowledgeTable | None = None) -> dict:
        if table is not None:
            path = tmp_path / "table.csv"
            frame = pd.DataFrame(table.rho, index=table.populations, columns=table.markers)
            frame.to_csv(path)
            arguments = (*arguments, "table=csv", f"table.path={path}")
        code, output = scyan_exp(
            *("train", *arguments, "logger=none", "figures.draw=none"),
            f"hydra.run.dir={tmp_path / 'run'}",
        )
        assert code == 0, output
        trust = json.loads((tmp_path / "run" / "result.json").read_text())["trust"]
        assert f"Verdict: {trust['verdict']}" in output
        return trust

    return judge


SYNTHETIC = ("dataset.n_cells=12000",)


@pytest.fixture(scope="module")
def spleen(real_data, tmp_path_factory) -> dict[bool, Path]:
    """The cells, transformed and as they were measured."""
    paths = {}
    for transformed in (True, False):
        paths[transformed] = tmp_path_factory.mktemp("spleen") / f"{transformed}.h5ad"
        read_spleen(real_data / "mouse_spleen", transformed=transformed).write_h5ad(
            paths[transformed]
        )
    return paths


@pytest.fixture
def spleen_table(real_data) -> KnowledgeTable:
    return load_table(real_data / "mouse_spleen" / "table.csv")


def swapped(table: KnowledgeTable, one: str, other: str) -> KnowledgeTable:
    rho = table.rho.copy()
    i, j = table.markers.index(one), table.markers.index(other)
    rho[:, [i, j]] = rho[:, [j, i]]
    return KnowledgeTable(table.populations, table.markers, rho)


def flipped(table: KnowledgeTable, *entries: tuple[str, str]) -> KnowledgeTable:
    changes: dict = {}
    for population, marker in entries:
        value = table.rho[table.populations.index(population), table.markers.index(marker)]
        assert np.isfinite(value)
        changes.setdefault(population, {})[marker] = -value
    return table.edited(changes)


def test_the_right_table_is_good(verdict):
    trust = verdict(*SYNTHETIC)
    assert (trust["verdict"], trust["reasons"]) == ("good", [])


SPOILT_TABLES = {
    "two columns swapped": lambda t: swapped(t, "CD4", "CD19"),
    "wrong signs": lambda t: flipped(
        t, ("Naive B cells", "CD19"), ("NK cells", "CD3"), ("Naive CD4 T cells", "CD4")
    ),
    "a row of wrong signs": lambda t: flipped(
        t, *(("NK cells", m) for m, v in zip(t.markers, t.rho[8], strict=True) if v in (-1, 1))
    ),
    "columns moved by one": lambda t: KnowledgeTable(
        t.populations, t.markers, np.roll(t.rho, 1, axis=1)
    ),
}


@pytest.mark.parametrize("mistake", SPOILT_TABLES)
def test_a_spoilt_table_is_not(verdict, mistake):
    trust = verdict(*SYNTHETIC, table=SPOILT_TABLES[mistake](load_pbmc_table()))
    assert trust["verdict"] != "good"
    assert trust["reasons"]


@pytest.mark.parametrize("population", ["Naive CD8 T cells", "Classical monocytes"])
def test_a_synthetic_table_without_a_population_is_not(verdict, population):
    """Another row fits its cells but for one marker."""
    trust = verdict(*SYNTHETIC, table=load_pbmc_table().edited({}, [population]))
    assert trust["verdict"] != "good"
    assert any("a population may be missing in the table" in one for one in trust["reasons"])


def of(path: Path) -> tuple[str, ...]:
    return ("dataset=h5ad", f"dataset.path={path}", "dataset.label_key=cell_type")


RAW = ("dataset.transform=none", "dataset.check_range=false")
SPOILT_CELLS = {
    "no transform": (False, RAW),
    "a cofactor for counts": (False, ("dataset.transform=asinh", "dataset.cofactor=1")),
    "a cofactor out of range": (False, ("dataset.transform=asinh", "dataset.cofactor=100000")),
}


def test_the_spleen_is_good(verdict, spleen, spleen_table):
    assert verdict(*of(spleen[True]), table=spleen_table)["verdict"] == "good"


@pytest.mark.parametrize("mistake", SPOILT_CELLS)
def test_spoilt_cells_are_not(verdict, spleen, spleen_table, mistake):
    transformed, overrides = SPOILT_CELLS[mistake]
    trust = verdict(*of(spleen[transformed]), *overrides, table=spleen_table)
    assert trust["verdict"] != "good"


@pytest.mark.parametrize("population", ["CD4 T cells", "CD8 T cells", "B cells", "NK cells"])
def test_a_table_without_a_population_is_not(verdict, spleen, spleen_table, population):
    trust = verdict(*of(spleen[True]), table=spleen_table.edited({}, [population]))
    assert trust["verdict"] != "good"
