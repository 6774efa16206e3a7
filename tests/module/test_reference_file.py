"""Weights written by the reference's own ``Scyan.save`` give the same model here."""

from __future__ import annotations

import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from scyan_exp.module import load_reference_module
from tests.reference import scyan


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


def write(module: scyan.module.ScyanModule, path: Path) -> Path:
    """As the reference does, whose model holds its module by that name."""
    torch.save({f"module.{key}": value for key, value in module.state_dict().items()}, path)
    return path


def test_models_of_every_shape_are_read(pair, tmp_path):
    module = load_reference_module(write(pair.theirs, tmp_path / "w.pt"), pair.shape.temperature)
    assert {p.dtype for p in module.parameters()} == {torch.float64}
    assert vars(module.hparams) == {
        name: getattr(pair.shape, name)
        for name in ("hidden_size", "n_hidden_layers", "n_layers", "prior_std", "temperature")
    }
    ours = module.compute_probabilities(pair.x, pair.covariates, use_temp=True)
    theirs = pair.theirs.compute_probabilities(pair.x, pair.covariates, use_temp=True)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_a_continuum_marker_that_all_populations_express_is_one(tmp_path):
    rho = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    sizes = {"hidden_size": 4, "n_hidden_layers": 1, "n_layers": 2}
    knobs = {"prior_std": 0.3, "temperature": 0.5}
    is_continuum = torch.tensor([True, False])
    theirs = scyan.module.ScyanModule(rho, 0, is_continuum, **sizes, **knobs)
    module = load_reference_module(write(theirs, tmp_path / "w.pt"))
    torch.testing.assert_close(module.prior.modes, torch.tensor([[0.2, -1.0], [0.2, 1.0]]))


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"module.pi_logit": Payload(tmp_path / "victim")}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="not a file of tensors"):
        load_reference_module(tmp_path / "w.pt")
    assert not (tmp_path / "victim").exists()


PRIOR = {f"module.prior.{name}": torch.zeros(1) for name in ("rho", "rho_mask", "cov", "modes")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a checkpoint", "not a file of tensors written by torch.save"),
        (
            {"weight": torch.zeros(1)},
            "not weights of scyan.Scyan.save; missing module.pi_logit, module.prior.cov, "
            "module.prior.modes, module.prior.rho, module.prior.rho_mask$",
        ),
        (PRIOR, "missing module.pi_logit$"),
        ({**PRIOR, "module.pi_logit": torch.zeros(1)}, "missing the flow$"),
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
