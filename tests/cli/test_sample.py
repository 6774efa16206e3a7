"""``scyan-exp sample``: synthetic cells of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp import annotate, read_run, sample_cells
from scyan_exp.data.fcs_categories import categories_of
from scyan_exp.data.fcs_text import read_text
from scyan_exp.data.reading import read_cells
from scyan_exp.errors import InputError
from scyan_exp.results.annotation import load_model
from scyan_exp.run.sampling import population_column
from tests.conftest import TABLE, small_adata

QUICK = ["trainer.max_epochs=6", "callbacks=none", "logger=none", "figures.draw=none"]
QUICK += ["flow=shallow", "dataset=h5ad", "table=csv", "model.batch_size=100"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two repeats of cells in batches with an age; and a run of a table without covariates."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("runs")
    adata = small_adata()
    adata.X = 5 * np.sinh(adata.X)  # raw, as a cytometer counts
    adata.write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    paths = [f"dataset.path={folder / 'cells.h5ad'}", f"table.path={folder / 'table.csv'}"]
    paths += ["dataset.transform=asinh"]
    given = ["dataset.batch_key=batch", "dataset.continuous_covariates=[age]", "repeats=2"]
    assert main(["train", *QUICK, *paths, *given, f"hydra.run.dir={folder / 'batches'}"]) == 0
    assert main(["train", *QUICK, *paths, f"hydra.run.dir={folder / 'plain'}"]) == 0
    return folder


# ---------------------------------------------------------------- what is drawn


def test_cells_get_the_population_back_that_they_were_drawn_from(runs):
    for run in ("plain", "batches"):
        cells = sample_cells(runs / run, 2000)
        annotate(runs / run, cells)
        alike = cells.obs["scyan_pop"].astype(str) == cells.obs["population"].astype(str)
        assert alike.mean() > 0.9


def test_shares_follow_the_weights(runs):
    cells = sample_cells(runs / "plain", 4000, seed=1)
    weights = load_model(runs / "plain/checkpoints/best.ckpt").module.pi.detach().numpy()
    shares = cells.obs["population"].value_counts(normalize=True, sort=False)
    np.testing.assert_allclose(shares, weights, atol=4 * np.sqrt(0.25 / 4000))
    two = sample_cells(runs / "plain", 4000, ["B cells", "CD4 T cells"])
    shares = two.obs["population"].value_counts(normalize=True, sort=False)
    assert shares["CD8 T cells"] == 0
    expected = weights[2] / (weights[0] + weights[2])
    assert shares["B cells"] == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 4000))


def test_expressions_are_in_the_units_of_the_run_s_cells(runs):
    ours, theirs = sample_cells(runs / "plain", 3000), read_run(runs / "plain").cells
    assert ours.var_names.tolist() == ["CD3", "CD4", "CD8", "CD19"]
    for name in ours.obs["population"].cat.categories:
        medians = [
            np.median(one[one.obs[key] == name, ours.var_names].X, axis=0)
            for one, key in ((ours, "population"), (theirs, "cell_type"))
        ]
        np.testing.assert_allclose(np.arcsinh(medians[0] / 5), np.arcsinh(medians[1] / 5), atol=0.5)


def test_a_name_of_a_level_means_its_populations(runs):
    cells = sample_cells(runs / "plain", 300, ["T cells"])
    assert set(cells.obs["population"]) == {"CD4 T cells", "CD8 T cells"}


def test_the_same_seed_draws_the_same_cells(runs):
    one, two, other = (sample_cells(runs / "batches", 50, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.X, two.X)
    pd.testing.assert_frame_equal(one.obs, two.obs)
    assert not np.array_equal(one.X, other.X)


def test_covariates_are_those_of_the_run_s_cells_or_of_one_batch(runs):
    theirs = read_run(runs / "batches").cells.obs
    drawn = sample_cells(runs / "batches", 2000).obs
    assert drawn["batch"].value_counts(normalize=True)["a"] == pytest.approx(
        (theirs["batch"] == "a").mean(), abs=0.06
    )
    pairs = set(zip(theirs["batch"].astype(str), theirs["age"], strict=True))
    of_b = sample_cells(runs / "batches", 200, batch="b").obs
    assert set(of_b["batch"].astype(str)) == {"b"}
    for one in (drawn, of_b):
        assert set(zip(one["batch"].astype(str), one["age"], strict=True)) <= pairs


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize("suffix", ["h5ad", "fcs", "csv"])
def test_files_hold_what_was_drawn(scyan_exp, runs, tmp_path, suffix):
    out = tmp_path / "new" / f"cells.{suffix}"
    code, output = scyan_exp("sample", str(runs / "batches"), "n=60", "seed=2", f"out={out}")
    assert code == 0, output
    assert output.splitlines()[-1] == f"60 cells of 3 populations: {out}"
    expected = sample_cells(runs / "batches", 60, seed=2)
    read = read_cells(out)
    np.testing.assert_allclose(read[:, expected.var_names].X, expected.X, rtol=1e-5)
    if suffix == "fcs":
        codes = expected.obs["population"].cat.codes.to_numpy() + 1
        np.testing.assert_array_equal(np.asarray(read[:, "population"].X)[:, 0], codes)
        text = out.read_bytes().decode("latin1")
        assert "population 3" in text
        assert "B cells" in text
    else:
        assert read.obs["population"].astype(str).tolist() == (
            expected.obs["population"].astype(str).tolist()
        )


def test_a_batch_called_population_keeps_its_column(scyan_exp, runs, tmp_path):
    adata = anndata.read_h5ad(runs / "cells.h5ad")
    adata.obs["population"] = adata.obs["batch"]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    paths = ["dataset.path=cells.h5ad", f"table.path={runs / 'table.csv'}", "hydra.run.dir=run"]
    key = ["dataset.batch_key=population", "trainer.max_epochs=1"]
    code, output = scyan_exp("train", *QUICK, *paths, *key)
    assert code == 0, output
    code, output = scyan_exp("sample", "run", "n=1_00", "batch=b", "out=new.fcs")
    assert code == 0, output
    assert "100 cells of 3 populations: new.fcs" in output
    read, text = read_cells("new.fcs"), read_text("new.fcs")
    assert read.var_names.tolist()[-2:] == ["sampled_population", "population"]
    assert categories_of(text, "population") == ["a", "b"]
    assert categories_of(text, "sampled_population") == ["CD4 T cells", "CD8 T cells", "B cells"]
    taken = pd.DataFrame({"population": [1]})
    with pytest.raises(InputError, match="population, sampled_population are covariates or marke"):
        population_column(taken, ["sampled_population"])


def test_several_populations_and_the_default_file(scyan_exp, runs, tmp_path):
    shutil.copytree(runs / "plain", tmp_path / "run")
    chosen = ["population=B cells", "--population", "CD8 T cells"]
    code, output = scyan_exp("sample", "run", *chosen)
    assert code == 0, output
    read = anndata.read_h5ad(tmp_path / "run" / "sampled.h5ad")
    assert len(read) == 1000
    assert set(read.obs["population"]) == {"B cells", "CD8 T cells"}
    code, output = scyan_exp("sample", "run", "n=5")
    assert code == 2
    assert "sampled.h5ad: exists already, and nothing is overwritten" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage: scyan-exp sample RUN"),
        (["n=many", "seed=-1"], "n: expected a whole number, found 'many'"),
        (["n=1__0"], "n: expected a whole number, found '1__0'"),
        (["n=0"], "n: expected 1 to 10,000,000 cells, found 0"),
        (["n=20000000"], "n: expected 1 to 10,000,000 cells, found 20,000,000"),
        (
            ["population=B cell"],
            "'B cell' is not in the table of the run. Did you mean",
        ),
        (
            ["population=[B cells,CD4 T cells]"],
            'given one by one: "population=B cells" "population=CD4 T cells"',
        ),
        (["batch=c"], "batch: 'c' is not known."),
        (["out=cells.xlsx"], "out: expected a name that ends in one of .h5ad, .fcs, .csv"),
        (["number=3"], "unknown option 'number'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(scyan_exp, runs, tmp_path, arguments, said):
    run = [str(runs / "batches")] if arguments else []
    code, output = scyan_exp("sample", *run, *arguments)
    assert code == 2
    assert said in output
    assert "Traceback" not in output
    assert not list(tmp_path.glob("*"))
    assert not list((runs / "batches").glob("sampled*"))


def test_what_the_run_lacks_is_said(runs, tmp_path):
    with pytest.raises(InputError, match=r"trained without dataset\.batch_key"):
        sample_cells(runs / "plain", 5, batch="a")
    with pytest.raises(InputError, match=r"no such file; expected checkpoints/best\.ckpt of a run"):
        sample_cells(tmp_path / "none", 5)
    model = load_model(runs / "batches/seed_0/checkpoints/best.ckpt")
    with pytest.raises(InputError, match="drawn from the cells of the run: name its folder"):
        sample_cells(model, 5)
    shutil.copytree(runs / "batches", tmp_path / "run")
    (tmp_path / "run" / "annotated.h5ad").unlink()
    with pytest.raises(InputError, match="are drawn from the cells of the run, which are gone"):
        sample_cells(tmp_path / "run", 5)
    (tmp_path / "run" / "annotated.h5ad").write_text("no HDF5")
    with pytest.raises(InputError, match="they cannot be read"):
        sample_cells(tmp_path / "run", 5)
