"""A model that was trained on a layer of an ``.h5ad`` file reads it of new files, too."""

from __future__ import annotations

import anndata
import pandas as pd

from tests.conftest import TABLE, small_adata

SETTINGS = ["flow=shallow", "trainer.max_epochs=2", "logger=none", "figures.draw=none"]


def test_new_files_are_read_from_the_layer_of_the_training(scyan_exp, tmp_path):
    adata = small_adata(300)
    adata.layers["counts"] = adata.X.copy()
    adata.X = -adata.X
    adata.write_h5ad(tmp_path / "cells.h5ad")
    small_adata(300).write_h5ad(tmp_path / "without.h5ad")
    (tmp_path / "table.csv").write_text(TABLE)
    files = ["dataset=h5ad", "dataset.path=cells.h5ad", "table.path=table.csv"]
    code, output = scyan_exp(
        "train", *files, *SETTINGS, "dataset.layer=counts", "hydra.run.dir=run"
    )
    assert code == 0, output
    expected = anndata.read_h5ad(tmp_path / "run" / "annotated.h5ad").obs["scyan_pop"].astype(str)

    for result in ("h5ad", "csv"):
        code, output = scyan_exp(
            "annotate", "run", "cells.h5ad", f"out={result}", f"format={result}"
        )
        assert code == 0, output
    new = anndata.read_h5ad(tmp_path / "h5ad" / "cells.annotated.h5ad")
    assert new.obs["scyan_pop"].astype(str).tolist() == expected.tolist()
    assert (new.X == adata.X).all()
    frame = pd.read_csv(tmp_path / "csv" / "cells.annotated.csv")
    assert frame["scyan_pop"].astype(str).tolist() == expected.tolist()

    code, output = scyan_exp("annotate", "run", "run/annotated.h5ad", "out=again")
    assert code == 0, output
    code, output = scyan_exp("annotate", "run", "without.h5ad", "out=without")
    assert code == 2
    assert (
        "without.h5ad: dataset.layer: the cells have no layer 'counts'. They have: none" in output
    )
