"""The UMAP: of which cells, where it is written, and what is said without the library."""

from __future__ import annotations

import sys

import anndata
import numpy as np
import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.errors import InputError
from scyan_exp.report.run_data import run_data
from scyan_exp.results import embedding


@pytest.mark.slow
def test_groups_of_cells_lie_apart_and_only_some_have_a_place(monkeypatch):
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 150)
    x = group[:, None] * 8 + rng.normal(size=(300, 3))
    monkeypatch.setattr(embedding, "MOST_CELLS", 100)
    places = embedding.umap_of(x)
    assert (places.shape, places.dtype) == ((300, 2), np.float32)
    placed = np.isfinite(places).all(axis=1)
    assert placed.sum() == 100
    assert np.isnan(places[~placed]).all()
    centers = [places[placed & (group == g)].mean(axis=0) for g in (0, 1)]
    spread = max(places[placed & (group == g)].std(axis=0).max() for g in (0, 1))
    assert np.linalg.norm(centers[0] - centers[1]) > 2 * spread
    np.testing.assert_array_equal(embedding.umap_of(x), places)


@pytest.mark.slow
def test_a_run_with_repeats_has_one_umap_in_its_cells_its_figures_and_its_page(scyan_exp, tmp_path):
    code, output = scyan_exp(
        *("train", "dataset.n_cells=300", "trainer.max_epochs=1", "flow=shallow", "logger=none"),
        *("figures.umap=true", "figures.draw=[umap]", "repeats=2", "hydra.run.dir=run"),
    )
    assert code == 0, output
    cells = anndata.read_h5ad(tmp_path / "run" / "annotated.h5ad")
    assert np.isfinite(cells.obsm["X_scyan_umap"]).all()
    assert [one.name for one in (tmp_path / "run" / "figures").iterdir()] == ["umap.png"]
    member = anndata.read_h5ad(tmp_path / "run" / "seed_0" / "annotated.h5ad")
    assert "X_scyan_umap" not in member.obsm
    shown = run_data(tmp_path / "run")["run"]["cells"]["umap"]
    assert len(shown["x"]) == len(shown["y"]) == len(shown["population"]) == 300


def test_without_the_library_nothing_is_trained(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    expected = r"figures\.umap: not installed; pip install 'scyan_exp\[umap\]'"
    with pytest.raises(InputError, match=expected):
        check_config(compose_config(["figures.umap=true"]))
    assert check_config(compose_config(["figures.umap=false"])).figures.umap is False


def test_the_repeats_of_a_run_leave_the_umap_to_it():
    config = check_config(compose_config(["figures.umap=true", "repeats=2", "seed=3"]))
    repeat = config.repeat(4)
    assert config.figures.umap is True
    assert repeat.figures.umap is repeat.plain()["figures"]["umap"] is False
    assert (repeat.seed, repeat.repeats, repeat.plain()["seed"]) == (4, 1, 4)
    assert repeat.hash == config.repeat(4).hash != config.hash
