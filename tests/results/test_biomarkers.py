"""Counts, shares and intensities by sample: laws, and a plain twin that they must equal."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from scyan_exp.config.wanted import BiomarkersConfig
from scyan_exp.results import biomarkers as module
from scyan_exp.results.biomarkers import (
    Samples,
    count,
    intensities,
    measure_biomarkers,
)
from scyan_exp.results.group_tests import UNANNOTATED
from scyan_exp.results.samples import samples_of
from tests.results.samples_data import KEYS, POPULATIONS, assigned_of, cells_of, example

#: Populations (-1: none) and samples of some cells.
cells = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 5)), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def measured():
    adata, assigned, samples = example()
    return adata, assigned, samples, measure_biomarkers(adata, assigned, samples, "level")


@settings(max_examples=40)
@given(cells)
def test_counts_sum_to_the_cells_and_shares_to_one(drawn):
    codes, of_sample = np.array(drawn).T
    samples = samples_of(cells_of(of_sample).obs, KEYS)
    frame = count(assigned_of(codes), samples, "level")
    n_cells = pd.Series(of_sample).value_counts().rename(lambda i: f"s{i}")
    for _, rows in frame.groupby("level"):
        by_sample = rows.groupby("sample")
        assert by_sample["count"].sum().to_dict() == n_cells.to_dict()
        assert (by_sample["sample_count"].unique().map(list)).to_dict() == {
            sample: [n] for sample, n in n_cells.items()
        }
        np.testing.assert_allclose(by_sample["share"].sum(), 1)
    of_parents = frame[frame["share_of_parent"].notna()].groupby(["sample", "parent"])
    np.testing.assert_allclose(of_parents["share_of_parent"].sum(), 1)
    blank = frame[(frame["level"] == "population") & frame["share_of_parent"].isna()]
    assert (blank["count"] == 0)[blank["population"] != UNANNOTATED].all()


@settings(max_examples=15)
@given(cells, st.randoms(use_true_random=False))
def test_the_order_of_the_cells_does_not_matter(drawn, random):
    codes, of_sample = np.array(drawn).T
    adata = cells_of(of_sample)
    order = list(range(len(codes)))
    random.shuffle(order)
    keys = BiomarkersConfig(sample_key="sample")
    one, other = (
        measure_biomarkers(
            adata[some].copy(), assigned_of(codes[some]), samples_of(adata.obs.iloc[some], keys)
        )
        for some in (slice(None), order)
    )
    assert one.groups is other.groups is None
    pd.testing.assert_frame_equal(one.populations, other.populations)
    pd.testing.assert_frame_equal(one.intensities, other.intensities, rtol=1e-5)


def test_a_parent_is_the_name_at_the_level_or_the_population_itself(measured):
    rows = measured[3].populations
    own = rows[rows["level"] == "population"].drop_duplicates("population")
    parents = dict(zip(own["population"], own["parent"], strict=True))
    expected = ["T cells", "T cells", "B", "Basophils"]
    assert parents == {**dict(zip(POPULATIONS, expected, strict=True)), UNANNOTATED: None}
    coarse = rows[(rows["level"] == "level") & (rows["sample"] == "s0")]
    assert coarse["population"].tolist() == ["T cells", "B", "Basophils", UNANNOTATED]
    n = rows[(rows["level"] == "population") & (rows["sample"] == "s0")]["count"].tolist()
    assert coarse["count"].tolist() == [n[0] + n[1], *n[2:]]


def test_every_row_is_what_a_loop_over_samples_and_populations_gives(measured):
    adata, assigned, samples, biomarkers = measured
    rows = biomarkers.intensities.set_index(["sample", "population"]).sort_index()
    assert len(rows) == len(samples.names) * len(POPULATIONS) * adata.n_vars
    for s, sample in enumerate(samples.names):
        for p, population in enumerate(POPULATIONS):
            own = adata.X[(samples.codes == s) & (assigned.codes == p)]
            found = rows.loc[(sample, population)]
            assert found["group"].unique().tolist() == [samples.groups[s]]
            assert found["count"].unique().tolist() == [len(own)]
            np.testing.assert_allclose(found["mean"], own.mean(axis=0), rtol=1e-5)
            np.testing.assert_allclose(found["median"], np.median(own, axis=0), rtol=1e-6)


def test_a_population_without_cells_in_a_sample_has_a_row_of_zero_cells():
    adata = cells_of([0, 0, 1, 1])
    samples = Samples(["s0", "s1"], np.array([0, 0, 1, 1]))
    assigned = assigned_of([0, 1, 1, -1])
    rows = intensities(adata, assigned, samples).set_index(["sample", "population"]).sort_index()
    assert rows.loc[("s1", "CD4 T cells"), "count"].tolist() == [0] * 3
    assert rows.loc[("s1", "CD4 T cells"), ["mean", "median"]].isna().all(axis=None)
    assert "group" not in rows
    assert UNANNOTATED not in rows.index.get_level_values("population")


def test_cells_on_disk_sparse_or_in_blocks_of_markers_give_the_same(
    measured, tmp_path, monkeypatch
):
    adata, assigned, samples, biomarkers = measured
    adata.write_h5ad(tmp_path / "cells.h5ad")
    on_disk = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    sparse = anndata.AnnData(csr_matrix(adata.X), obs=adata.obs, var=adata.var)
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * adata.n_obs)  # one marker at a time
    for one in (on_disk, sparse):
        found = intensities(one, assigned, samples)
        pd.testing.assert_frame_equal(found, biomarkers.intensities)
    on_disk.file.close()


def test_markers_without_a_value_in_some_cells_are_measured_of_the_others():
    adata = cells_of([0, 0, 0, 1])
    adata.X[:, 0] = [1, np.nan, 3, np.nan]
    samples = Samples(["s0", "s1"], np.array([0, 0, 0, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = intensities(adata, assigned_of([0, 0, 0, 0]), samples)
    rows = rows[rows["marker"] == "m0"].set_index(["sample", "population"])
    assert rows.loc[("s0", "CD4 T cells"), ["mean", "median"]].tolist() == [2, 2]
    assert rows.loc[("s1", "CD4 T cells"), ["mean", "median"]].isna().all()
