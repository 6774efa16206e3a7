"""``predict.*`` in a run, a run with repeats, a consensus and new cells."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp import annotate, predict_proba, read_run
from scyan_exp.report.annotated import agreements, read_populations
from scyan_exp.report.changes import read_changes
from scyan_exp.report.run_cells import cells_data
from tests.conftest import TABLE, small_adata

QUICK = ["trainer.max_epochs=2", "logger=none", "figures.draw=none", "flow=shallow"]
QUICK += ["dataset=h5ad", "table=csv", "dataset.label_key=cell_type", "model.batch_size=100"]
MINE = ["predict.log_prob_th=-4", "predict.proba=true", "predict.key_added=mine"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """The same two repeats as by default, and with other settings; and a consensus of these."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("runs")
    small_adata().write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    paths = [f"dataset.path={folder / 'cells.h5ad'}", f"table.path={folder / 'table.csv'}"]
    for name, given in (("default", []), ("mine", MINE)):
        given = [*given, "repeats=2", f"hydra.run.dir={folder / name}"]
        assert main(["train", *QUICK, *paths, *given]) == 0
    members = [str(folder / "mine" / seed) for seed in ("seed_0", "seed_1")]
    assert main(["consensus", *members, f"out={folder / 'consensus'}"]) == 0
    return folder


@pytest.mark.parametrize("run", ["mine", "mine/seed_0", "consensus"])
def test_settings_are_those_of_the_config(runs, run):
    adata = anndata.read_h5ad(runs / run / "annotated.h5ad")
    assert "scyan_pop" not in adata.obs
    unlikely = adata.obs["scyan_log_prob"] < -4
    assert 0 < unlikely.mean() < 1
    np.testing.assert_array_equal(adata.obs["mine"].isna(), unlikely)
    np.testing.assert_array_equal(adata.obs["mine_level"].isna(), unlikely)
    proba = adata.obsm["scyan_proba"]
    assert proba.shape == (600, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(adata.obs["scyan_confidence"], proba.max(axis=1), atol=1e-5)
    names = np.array(adata.uns["scyan_populations"], object)[proba.argmax(axis=1)]
    known = adata.obs["mine"].notna().to_numpy()
    assert adata.obs["mine"][known].tolist() == names[known].tolist()
    if run == "mine":
        assert {"mine_seed_0", "mine_seed_1"} <= set(adata.obs)


def test_only_what_was_asked_for_differs(runs):
    mine, default = (read_run(runs / name).cells for name in ("mine", "default"))
    assert "scyan_proba" not in default.obsm
    assert default.obs["scyan_pop"].notna().mean() > mine.obs["mine"].notna().mean()
    columns = ["scyan_log_prob", "scyan_confidence", "scyan_confidence_level", "scyan_agreement"]
    pd.testing.assert_frame_equal(mine.obs[columns], default.obs[columns])
    assert read_run(runs / "mine").metrics == read_run(runs / "default").metrics
    assert (
        read_run(runs / "mine").record.config_hash != read_run(runs / "default").record.config_hash
    )


def test_those_who_read_the_populations_find_them_under_any_name(runs):
    cells = anndata.read_h5ad(runs / "mine" / "annotated.h5ad").obs["mine"]
    found = read_populations(runs / "mine")
    np.testing.assert_array_equal(found.codes, cells.cat.codes)
    assert agreements(runs / "mine")
    changes = read_changes(runs / "default", runs / "mine")
    assert changes.n_changed == changes.counts["(unannotated)"].sum()
    data = cells_data(runs / "mine", runs / "mine/seed_0/checkpoints/best.ckpt", "cell_type")
    assert data["unannotated"] == cells.isna().sum()


@pytest.mark.parametrize("what", ["mine", "mine/seed_0", "consensus"])
def test_new_cells_are_annotated_as_the_run_s_own(runs, what):
    adata, own = small_adata(), anndata.read_h5ad(runs / what / "annotated.h5ad")
    annotate(runs / what, adata)
    assert adata.obs["mine"].astype(str).tolist() == own.obs["mine"].astype(str).tolist()
    np.testing.assert_allclose(adata.obsm["scyan_proba"], own.obsm["scyan_proba"], atol=1e-5)
    proba = predict_proba(read_run(runs / what), small_adata())
    np.testing.assert_allclose(proba, own.obsm["scyan_proba"], atol=1e-5)
    assert proba.index.equals(own.obs_names)


def test_a_checkpoint_in_the_folder_of_its_run_annotates_as_the_run_does(runs):
    adata = small_adata(20)
    annotate(runs / "mine/seed_0/checkpoints/best.ckpt", adata)
    assert "mine" in adata.obs


# ---------------------------------------------------------------- names that are taken


@pytest.fixture
def train(scyan_exp, runs, tmp_path):
    """Train with a name for the column; the cells have such a column, if told so."""

    def run(key: str, path: Path | None = None, *more: str) -> tuple[int, str]:
        paths = [f"dataset.path={path or runs / 'cells.h5ad'}", f"table.path={runs / 'table.csv'}"]
        given = ["trainer.max_epochs=1", f"predict.key_added={key}", "hydra.run.dir=out"]
        return scyan_exp("train", *QUICK, *paths, *given, *more)

    return run


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("batch", "'batch' would overwrite the column 'batch' of the cells"),
        ("cell_type", "predict.key_added: 'cell_type' is dataset.label_key"),
        ("scyan_log_prob", "names that begin with 'scyan_' are the program's own"),
        ("a/b", "predict.key_added"),
        ("''", "predict.key_added"),
    ],
)
def test_a_column_of_the_cells_is_never_overwritten(train, tmp_path, key, said):
    code, output = train(key)
    assert code == 2
    assert said in output
    assert "Traceback" not in output
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_nor_is_one_by_the_column_of_a_level(train, tmp_path):
    adata = small_adata()
    adata.obs["mine_level"] = "what somebody knows"
    adata.write_h5ad(tmp_path / "cells.h5ad")
    code, output = train("mine", tmp_path / "cells.h5ad")
    assert code == 2
    assert "would overwrite the column 'mine_level' of the cells" in output


def test_cells_that_were_annotated_can_be_annotated_again(train, runs, tmp_path):
    code, output = train("mine", runs / "mine" / "annotated.h5ad")
    assert code == 0, output
    adata = anndata.read_h5ad(tmp_path / "out" / "annotated.h5ad")
    assert "scyan_proba" not in adata.obsm  # of the earlier annotation
    code, output = train("scyan_pop", runs / "default" / "annotated.h5ad")
    assert code == 0, output


def test_new_cells_keep_their_columns_too(runs):
    adata = small_adata(20)
    adata.obs["mine"] = 1
    with pytest.raises(ValueError, match="would overwrite the column 'mine' of the cells"):
        annotate(runs / "mine", adata)
    assert adata.obs["mine"].tolist() == [1] * 20


def test_a_damaged_section_is_said_with_its_file(runs, tmp_path):
    import shutil

    shutil.copytree(runs / "mine" / "seed_0", tmp_path / "run")
    config = tmp_path / "run" / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("log_prob_th: -4", "log_prob_th: low"))
    with pytest.raises(ValueError, match="log_prob_th: ") as raised:
        annotate(tmp_path / "run", small_adata(20))
    assert raised.value.where == str(config)
