"""Weights written by the reference's own ``Scyan.save`` give the same model here."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scyan
import torch

from scyan_exp.module import load_reference_module


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    rng = np.random.default_rng(0)
    markers = ["CD3", "CD4", "CD8", "CD19", "PD1"]
    table = pd.DataFrame(
        [[1, 1, -1, -1, np.nan], [1, -1, 1, -1, 1], [-1, np.nan, -1, 1, -1]],
        index=["CD4 T", "CD8 T", "B"],
        columns=markers,
    )
    adata = anndata.AnnData(
        rng.normal(size=(64, 5)).astype(np.float32),
        obs=pd.DataFrame({"batch": ["a", "b"] * 32}, index=[f"c{i}" for i in range(64)]),
        var=pd.DataFrame(index=markers),
    )
    model = scyan.Scyan(
        adata,
        table.copy(),
        continuum_markers=["PD1"],
        categorical_covariates=["batch"],
        hidden_size=8,
        n_hidden_layers=3,
        n_layers=4,
        prior_std=0.25,
        warm_up=None,
    )
    path = tmp_path_factory.mktemp("reference") / "scyan_state_dict.pt"
    with torch.no_grad():
        model.module.pi_logit.normal_(0, 0.02)
    model.save(str(path))
    return model, path


def test_loaded_module_is_the_reference(saved):
    model, path = saved
    module = load_reference_module(path, temperature=0.5)
    for use_temp in (False, True):
        ours = module.compute_probabilities(model.x, model.covariates, use_temp)
        theirs = model.module.compute_probabilities(model.x, model.covariates, use_temp)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    assert module.hparams.prior_std == 0.25
    assert module.hparams.n_layers == 4
    torch.testing.assert_close(
        module.prior.rho.numpy(), model.table.to_numpy(np.float32), equal_nan=True
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a checkpoint", "not a file of tensors written by torch.save"),
        ({"weight": torch.zeros(1)}, "not weights of scyan.Scyan.save; missing module.pi_logit"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=message):
        load_reference_module(path)
