"""Samples of several annotated files, of every format that ``scyan-exp annotate`` writes."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data.fcs_writing import write_fcs
from tests.conftest import TABLE, small_adata
from tests.run.test_sampled import read

NAMES = ["a", "b", "c", "d"]
GROUPS = ["x", "x", "y", "y"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A run whose model annotates."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("model")
    small_adata().write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    data = ["dataset=h5ad", f"dataset.path={folder}/cells.h5ad", f"table.path={folder}/table.csv"]
    quick = ["trainer.max_epochs=2", "flow=shallow", "figures.draw=none", "logger=none"]
    assert main(["train", *data, *quick, f"hydra.run.dir={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def annotated(model, tmp_path_factory) -> Path:
    """The same four files of cells, annotated as each format. Not to be changed."""
    from scyan_exp.run.annotating.files import annotate_files

    folder = tmp_path_factory.mktemp("annotated")
    (folder / "fcs").mkdir()
    for seed, name in enumerate(NAMES):
        adata = small_adata(80 + 10 * seed, seed)
        adata.write_h5ad(folder / f"{name}.h5ad")
        write_fcs(folder / "fcs" / f"{name}.fcs", adata.X, list(adata.var_names))
    for result in ("h5ad", "csv", "parquet", "fcs"):
        files = [
            folder / "fcs" / f"{name}.fcs" if result == "fcs" else folder / f"{name}.h5ad"
            for name in NAMES
        ]
        annotate_files(model, files, folder / result / "annotated", result=result)
    return folder


@pytest.fixture(scope="module")
def expected(annotated) -> pd.Series:
    """Cells by file and population."""
    found = {}
    for name in NAMES:
        adata = anndata.read_h5ad(annotated / "h5ad" / "annotated" / f"{name}.annotated.h5ad")
        found[name] = adata.obs["scyan_pop"].value_counts()
    return pd.concat(found).sort_index()


def counts(folder: Path) -> pd.Series:
    rows = read(folder, "populations")
    rows = rows[(rows["level"] == "population") & (rows["population"] != "(unannotated)")]
    return rows.set_index(["sample", "population"])["count"].sort_index()


@pytest.mark.parametrize("result", ["h5ad", "csv", "parquet", "fcs"])
def test_a_folder_of_annotated_files_has_a_sample_a_file(
    annotated, expected, scyan_exp, tmp_path, result
):
    out = tmp_path / "out"
    code, output = scyan_exp("biomarkers", str(annotated / result / "annotated"), f"out={out}")
    assert code == 0, output
    assert counts(out).to_dict() == expected.to_dict()
    medians = read(out, "biomarkers").set_index(["sample", "population", "marker"])["median"]
    adata = anndata.read_h5ad(annotated / "h5ad" / "annotated" / "b.annotated.h5ad")
    of_b = adata[adata.obs["scyan_pop"] == "B cells", "CD19"].X
    assert medians["b", "B cells", "CD19"] == pytest.approx(np.median(of_b), rel=1e-3)
    levels = set(read(out, "populations")["level"])
    assert levels == ({"population"} if result == "fcs" else {"population", "level"})


def test_formats_and_groups_of_a_sheet_go_together(annotated, expected, scyan_exp, tmp_path):
    """And categories in another order, and populations without cells in some file."""
    files = [
        str(annotated / result / "annotated" / f"{name}.annotated.{result}")
        for name, result in zip(NAMES, ("fcs", "csv", "h5ad", "parquet"), strict=True)
    ]
    sheet = pd.DataFrame({"file": NAMES, "group": GROUPS})
    sheet.to_csv(tmp_path / "sheet.csv", index=False)
    given = ["level=level", "metadata=sheet.csv", "out=out"]
    code, output = scyan_exp("biomarkers", *files, *given)
    assert code == 0, output
    out = tmp_path / "out"
    assert counts(out).to_dict() == expected.to_dict()
    rows = read(out, "populations")
    assert rows.loc[rows["population"] == "CD8 T cells", "parent"].unique().tolist() == ["T cells"]
    code, output = scyan_exp("biomarkers", *files, *given, "group_key=group")
    assert code == 2
    assert "a group needs at least 3 samples to be compared, found x (2), y (2)" in output


def test_what_a_file_lacks_is_named(annotated, scyan_exp, tmp_path):
    folder = annotated / "h5ad" / "annotated"
    one, other = (anndata.read_h5ad(folder / f"{name}.annotated.h5ad") for name in "ab")
    other[:, ["CD3", "CD4", "CD19"]].write_h5ad(tmp_path / "b.h5ad")
    one.write_h5ad(tmp_path / "a.h5ad")
    code, output = scyan_exp("biomarkers", "a.h5ad", "b.h5ad")
    assert code == 0, output
    assert "b.h5ad lacks CD45, CD8: measured of none" in output
    found = read(tmp_path / "biomarkers", "biomarkers")
    assert set(found["marker"]) == {"CD3", "CD4", "CD19"}
    for key, said in (("batch", ""), ("site", "b.h5ad: the cells have no column 'site'")):
        one.obs["site"] = "here"
        one.write_h5ad(tmp_path / "a.h5ad")
        code, output = scyan_exp("biomarkers", "a.h5ad", "b.h5ad", f"sample_key={key}")
        assert (code, said in output) == ((2, True) if said else (0, True)), output


def test_other_tables_and_cells_that_nobody_annotated_are_refused(annotated, scyan_exp, tmp_path):
    folder = annotated / "h5ad" / "annotated"
    other = anndata.read_h5ad(folder / "b.annotated.h5ad")
    other.uns["scyan_populations"] = np.array(["B cells", "CD4 T cells", "CD8 T cells", "NK cells"])
    del other.uns["scyan_levels"]
    other.write_h5ad(tmp_path / "other.h5ad")
    first = str(folder / "a.annotated.h5ad")
    code, output = scyan_exp("biomarkers", first, "other.h5ad")
    assert code == 2
    assert (
        "other.h5ad: annotated by another table than a.annotated.h5ad: its table has NK" in output
    )
    other[:, []].write_h5ad(tmp_path / "none.h5ad")
    code, output = scyan_exp("biomarkers", str(annotated / "fcs"), str(annotated / "a.h5ad"))
    assert code == 2
    assert "5 problems" in output
    assert output.count("the cells have no column 'scyan_pop': expected cells that a run or") == 5
    raw = anndata.AnnData(other.X, obs=other.obs, uns=anndata.read_h5ad(first).uns)
    raw.var_names = [f"m{i}" for i in range(raw.n_vars)]
    raw.write_h5ad(tmp_path / "raw.h5ad")
    code, output = scyan_exp("biomarkers", first, "raw.h5ad")
    assert code == 2
    assert "the files have no marker in common" in output


def test_an_fcs_file_whose_numbers_have_no_names_is_refused(annotated, scyan_exp, tmp_path):
    path = annotated / "fcs" / "annotated" / "a.annotated.fcs"
    data = path.read_bytes().replace(b"scyan_pop 3", b"scyan_pop_3")
    (tmp_path / "a.fcs").write_bytes(data)
    code, output = scyan_exp("biomarkers", "a.fcs", str(path))
    assert code == 2
    assert "a.fcs: channel 'scyan_pop' has population number 3, which its keywords" in output
