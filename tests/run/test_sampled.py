"""Samples measured in a run, and afterwards by ``scyan-exp biomarkers``."""

from __future__ import annotations

import shutil
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from scyan_exp.results.group_tests import Groups
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.sampled import differences
from tests.conftest import TABLE, small_adata
from tests.wandb_files import table

FILES = ["populations.csv", "biomarkers.csv", "groups.csv"]
FIGURES = ["sample_shares", "sample_intensities", "group_shares"]
KEYS = ["biomarkers.sample_key=sample", "biomarkers.group_key=group", "biomarkers.level=level"]


def cells_in_samples() -> anndata.AnnData:
    """Cells in seven samples: three of patients, four of controls."""
    adata = small_adata(420)
    number = np.arange(420) % 7
    adata.obs["sample"] = [f"s{i + 4}" for i in number]
    adata.obs["group"] = np.where(number % 2, "patient", "control")
    adata.obs["site"] = "here"
    return adata


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("files")
    cells_in_samples().write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    return [
        *("train", "dataset=h5ad", f"dataset.path={folder / 'cells.h5ad'}"),
        *(f"table.path={folder / 'table.csv'}", "trainer.max_epochs=2", "flow=shallow"),
        f"figures.draw=[{','.join(FIGURES)}]",
    ]


@pytest.fixture(scope="module")
def run(files, tmp_path_factory) -> Path:
    """A run of two repeats that measured its samples. Not to be changed."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main([*files, *KEYS, "repeats=2", f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def copied(run, tmp_path) -> Path:
    """The run without what was measured of its samples."""
    folder = shutil.copytree(run, tmp_path / "copied")
    for path in RunFolder(folder).of_samples():
        path.unlink()
    return folder


def names_in(folder: Path) -> list[str]:
    files = [path.name for path in RunFolder(folder).of_samples() if path.is_file()]
    return [*files, *sorted(path.stem for path in RunFolder(folder).figures.glob("*.png"))]


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])


def test_a_run_and_each_of_its_repeats_have_the_files_and_figures(run):
    for folder in (run, run / "seed_0", run / "seed_1"):
        assert names_in(folder) == [*FILES, *sorted(FIGURES)]


def test_counts_and_medians_are_those_of_the_annotated_cells(run):
    adata = anndata.read_h5ad(run / "annotated.h5ad")
    obs = adata.obs
    rows = read(run, "populations")
    own = rows[rows["level"] == "population"].set_index(["sample", "population"])["count"]
    expected = obs.groupby(["sample", "scyan_pop"], observed=False).size()
    assert own.drop("(unannotated)", level=1).to_dict() == expected.to_dict()
    coarse = rows[rows["level"] == "level"].set_index(["sample", "population"])["count"]
    expected = obs.groupby(["sample", "scyan_pop_level"], observed=False).size()
    assert coarse.drop("(unannotated)", level=1).to_dict() == expected.to_dict()
    assert list(dict.fromkeys(rows["sample"])) == [f"s{i}" for i in range(4, 11)]
    one = read(run, "biomarkers").set_index(["sample", "population", "marker"])
    assert len(one) == 7 * 3 * 5  # CD45 too, of which the table knows nothing
    is_one = (obs["sample"] == "s4") & (obs["scyan_pop"] == "B cells")
    values = adata.X[is_one.to_numpy(), list(adata.var_names).index("CD45")]
    found = one.loc[("s4", "B cells", "CD45")]
    assert found["count"] == len(values) > 0
    assert found["median"] == pytest.approx(np.median(values), rel=1e-4)
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-4)


def test_groups_are_compared_with_their_numbers_of_samples(run):
    groups = read(run, "groups")
    shares = groups[groups["measure"] == "share"]
    assert (shares["n_control"] == 4).all()
    assert (shares["n_patient"] == 3).all()
    assert groups["p_adjusted"].dropna().between(0, 1).all()


def test_wandb_has_shares_and_comparisons_as_tables(run):
    for folder in (run, run / "seed_0"):
        for name, file in (("samples", "populations"), ("groups", "groups")):
            columns, rows = table(folder, name)
            frame = read(folder, file)
            assert (columns, len(rows)) == (list(frame), len(frame))


def test_what_differs_is_said_once_the_surest_first():
    def row(measure: str, level: str, population: str, marker: str, p: float) -> dict:
        medians = {"median_a": 0.1 if marker == "" else 1234.5, "median_b": 0.25}
        about = {"measure": measure, "level": level, "population": population, "marker": marker}
        return {**about, **medians, "p": p, "p_adjusted": 2 * p}

    own, many = ("share", "population"), [("median", "population", "T", f"m{i}") for i in range(7)]
    rows = [
        row(*own, "B", "", 0.002),
        row("share", "level", "B", "", 0.002),  # a level of this population alone
        row("share", "level", "T", "", 0.004),
        row(*own, "NK", "", 0.4),
        row(*own, "rare", "", float("nan")),
        *(row(*one, 0.01) for one in many),
    ]
    lines = differences(Groups(["a", "b"], pd.DataFrame(rows)))
    assert lines[:4] == [
        "10 of 11 comparisons of a and b differ by more than chance (adjusted p below 0.05)",
        "B, share: a 10.0%, b 25.0% (p 0.004)",
        "T (level), share: a 10.0%, b 25.0% (p 0.008)",
        "m0 of T, median intensity: a 1,234, b 0.25 (p 0.02)",
    ]
    assert len(lines) == 1 + 8 + 1
    assert lines[-1] == "... 2 more"


def test_afterwards_the_same_comes_out_by_the_settings_of_the_run(run, copied, scyan_exp):
    for path in RunFolder(copied).figures.iterdir():
        path.unlink()
    code, output = scyan_exp("biomarkers", str(copied))
    assert code == 0, output
    assert names_in(copied) == [*FILES, *sorted(FIGURES)]
    for name in FILES:
        assert (copied / name).read_text() == (run / name).read_text()
    assert f"samples: {', '.join(FILES)}" in output
    assert "comparisons of control and patient differ by more than chance" in output
    assert str(copied) in output.splitlines()


def test_a_file_alone_with_other_settings_goes_beside_it_or_elsewhere(
    run, copied, scyan_exp, tmp_path
):
    code, output = scyan_exp("biomarkers", str(copied / "annotated.h5ad"), "sample_key=batch")
    assert code == 0, output
    beside = copied / "annotated_biomarkers"
    assert names_in(beside) == [*FILES[:2], "sample_intensities", "sample_shares"]
    assert list(dict.fromkeys(read(beside, "populations")["sample"])) == ["a", "b"]
    arguments = ["sample_key=sample", "group_key=group", "--level", "level"]
    out = tmp_path / "out"
    code, output = scyan_exp("biomarkers", str(run / "annotated.h5ad"), *arguments, f"out={out}")
    assert code == 0, output
    assert all((out / name).read_text() == (run / name).read_text() for name in FILES)
    code, _ = scyan_exp("biomarkers", str(run / "annotated.h5ad"), "sample_key=site", f"out={out}")
    assert code == 2
    assert names_in(out) == [*FILES, *sorted(FIGURES)]  # as it was
    again = ["sample_key=batch", f"out={out}"]
    assert scyan_exp("biomarkers", str(copied / "annotated.h5ad"), *again)[0] == 0
    assert names_in(out) == [*FILES[:2], "sample_intensities", "sample_shares"]  # no old groups


def test_null_means_none_as_in_a_config(copied, scyan_exp):
    code, output = scyan_exp("biomarkers", str(copied), "group_key=null", "channels=null")
    assert code == 0, output
    assert names_in(copied) == [*FILES[:2], "sample_intensities", "sample_shares"]
    code, output = scyan_exp("biomarkers", str(copied), "sample_key=null")
    assert code == 2
    assert "sample_key: expected the column of obs" in output


def test_channels_that_are_columns_are_measured_as_markers_are(run, copied, scyan_exp):
    code, output = scyan_exp("biomarkers", str(copied), "channels=age")
    assert code == 0, output
    rows = read(copied, "biomarkers")
    assert list(dict.fromkeys(rows["marker"])) == ["CD3", "CD4", "CD8", "CD19", "CD45", "age"]
    obs = anndata.read_h5ad(run / "annotated.h5ad").obs
    found = rows[rows["marker"] == "age"].set_index(["sample", "population"])["median"]
    expected = obs.groupby(["sample", "scyan_pop"], observed=False)["age"].median().to_dict()
    assert found.to_dict() == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_a_config_that_was_changed_by_hand_is_checked(copied, scyan_exp):
    config = RunFolder(copied).config
    config.write_text(config.read_text().replace("sample_key: sample", "sample_key: 3"))
    code, output = scyan_exp("biomarkers", str(copied))
    assert code == 2
    assert "biomarkers.sample_key: expected a string, found 3" in output
    assert str(config) in output


def test_sparse_expressions_are_read_too(run, copied, scyan_exp):
    adata = anndata.read_h5ad(copied / "annotated.h5ad")
    adata.X = csr_matrix(adata.X)
    adata.write_h5ad(copied / "annotated.h5ad")
    code, output = scyan_exp("biomarkers", str(copied))
    assert code == 0, output
    assert (copied / "biomarkers.csv").read_text() == (run / "biomarkers.csv").read_text()


def test_a_file_without_expressions_is_no_file_of_cells(copied, scyan_exp):
    with h5py.File(copied / "annotated.h5ad", "a") as file:
        del file["X"]
    code, output = scyan_exp("biomarkers", str(copied))
    assert code == 2
    assert f"{copied / 'annotated.h5ad'}: not annotated cells (" in output


def test_categories_in_another_order_keep_their_parents(run, copied, scyan_exp):
    """Their names at levels were taken by position once."""
    adata = anndata.read_h5ad(copied / "annotated.h5ad")
    adata.obs["scyan_pop"] = adata.obs["scyan_pop"].cat.reorder_categories(
        ["B cells", "CD8 T cells", "CD4 T cells"]
    )
    adata.write_h5ad(copied / "annotated.h5ad")
    code, output = scyan_exp("biomarkers", str(copied))
    assert code == 0, output
    keys = ["sample", "level", "population"]
    found, expected = (read(one, "populations").set_index(keys) for one in (copied, run))
    pd.testing.assert_frame_equal(found.loc[expected.index], expected)


def test_a_file_of_an_earlier_version_has_its_levels_in_its_columns(run, copied, scyan_exp):
    with h5py.File(copied / "annotated.h5ad", "a") as file:
        del file["uns"]["scyan_levels"]
    code, output = scyan_exp("biomarkers", str(copied))
    assert code == 0, output
    assert read(copied, "populations").equals(read(run, "populations"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "usage: scyan-exp biomarkers FOLDER_OR_FILES"),
        (("{run}", "{run}"), "annotated.h5ad: is named 2 times"),
        (("{run}", "sample_ky=a"), "unknown option 'sample_ky'. Did you mean 'sample_key'?"),
        (("{run}/no.h5ad", "sample_key=s"), "no.h5ad: no such file (expected a file (.h5ad), a"),
        (("{run}/config", "sample_key=s"), "config: no such file"),
        (("{run}/checkpoints/..",), "no annotated.h5ad in this run (it is completed)"),
        (
            ("{run}/train.log", "sample_key=s"),
            "train.log: expected a file whose name ends in one of .h5ad, .csv, ",
        ),
        (("{run}/annotated.h5ad",), "sample_key: expected the column of obs that names the sample"),
        (
            ("{run}/annotated.h5ad", "sample_key=sampel", "level=lvl"),
            "2 problems\n  1. biomarkers.sample_key: the cells have no column 'sampel'. Did you "
            "mean 'sample'?",
        ),
        (
            ("{run}/annotated.h5ad", "sample_key=batch", "channels=aeg,CD45,site"),
            "2. biomarkers.channels: the cells have no column 'CD45'. They have: cell_type, batch, "
            "age, sample, group, site, scyan_pop, ",
        ),
        (("{run}/annotated.h5ad", "sample_key=batch", "channels=site"), "site'] holds no numbers"),
        (("{run}", "out={cells}"), "cells.h5ad: the results cannot be written ("),
        (("{run}/annotated.h5ad", "sample_key=site"), "names only one sample, 'here'"),
        (("{cells}", "sample_key=sample"), "the cells have no column 'scyan_pop': expected cells"),
    ],
)
def test_what_cannot_be_measured_is_said(run, files, copied, scyan_exp, arguments, said):
    if "checkpoints/.." in str(arguments):
        (copied / "annotated.h5ad").unlink()
        (copied / "checkpoints").mkdir(exist_ok=True)
        run = copied
    cells = files[2].partition("=")[2]
    given = [one.format(run=run, cells=cells) for one in arguments]
    before = sorted(run.rglob("*"))
    code, output = scyan_exp("biomarkers", *given)
    assert code == 2, output
    assert said in output
    assert "Traceback" not in output
    assert sorted(run.rglob("*")) == before


def test_wrong_columns_are_said_all_at_once_before_anything_is_trained(files, scyan_exp, tmp_path):
    wrong = ["biomarkers.sample_key=smple", "biomarkers.level=levels", "hydra.run.dir=refused"]
    code, output = scyan_exp(*files, *wrong)
    assert code == 2
    assert "2 problems" in output
    assert "no column 'smple'. Did you mean 'sample'?" in output
    assert "no level 'levels'. Did you mean 'level'?" in output
    assert "epoch" not in output
    assert not (tmp_path / "refused").exists()


def test_groups_without_samples_are_refused_by_the_config(files, scyan_exp):
    code, output = scyan_exp(*files, "biomarkers.group_key=group", "biomarkers.level=level")
    assert code == 2
    for key in ("group_key", "level"):
        text = f"biomarkers.{key}: there are no samples; set biomarkers.sample_key to the column"
        assert text in output


def test_without_samples_a_folder_used_again_has_no_files_of_them(files, scyan_exp, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for path in folder.of_samples():
        path.write_text("of an earlier run")
    code, output = scyan_exp(*files, "logger=none", f"hydra.run.dir={folder.path}")
    assert code == 0, output
    assert names_in(folder.path) == []
