"""Weights written by the reference implementation (PyPI ``scyan``, ``Scyan.save``)."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from scyan_exp.module.coupling import CouplingLayer
from scyan_exp.module.scyan_module import ScyanModule

_LAYER = re.compile(r"module\.real_nvp\.module_list\.(\d+)\.sfun\.(\d+)\.weight")


def load_reference_module(path: str | Path, temperature: float = 0.5) -> ScyanModule:
    """Build the module whose weights ``scyan.Scyan.save`` wrote to ``path``.

    Every size, the table and ``prior_std`` are read from the file, which lacks only the
    temperature. The file is read without unpickling objects. The columns of the table are the
    markers in the order in which the reference got them.

    Args:
        path: file written by ``scyan.Scyan.save`` (version 1.8.0).
        temperature: temperature of the returned module, used only to train it further.

    Raises:
        ValueError: the file is not a state dict of the reference.
    """
    state = _read_state(Path(path))
    layers = [(int(m[1]), int(m[2])) for key in state if (m := _LAYER.fullmatch(key))]
    n_layers = 1 + max(layer for layer, _ in layers)
    n_linear = sum(layer == 0 for layer, _ in layers)
    first = state["module.real_nvp.module_list.0.sfun.0.weight"]
    rho, is_continuum_marker = _table(state)
    module = ScyanModule(
        rho,
        n_covariates=first.shape[1] - rho.shape[1],
        is_continuum_marker=is_continuum_marker,
        hidden_size=first.shape[0],
        n_hidden_layers=n_linear - 2,
        n_layers=n_layers,
        prior_std=round(float(state["module.prior.cov"][0, 0].double().sqrt()), 6),
        temperature=temperature,
    ).to(first.dtype)
    module.prior.prior_std = module.prior.prior_std.double()
    copy_reference_weights(state, module)
    return module


@torch.no_grad()
def copy_reference_weights(state: dict[str, Tensor], module: ScyanModule) -> None:
    """Copy the parameters of a reference state dict into a module of the same sizes."""
    module.pi_logit.copy_(state["module.pi_logit"])
    for i, layer in enumerate(module.real_nvp.layers):
        _copy_layer(state, f"module.real_nvp.module_list.{i}", layer, module.real_nvp.order)


def _copy_layer(state: dict[str, Tensor], prefix: str, layer: CouplingLayer, order: Tensor) -> None:
    """Copy s and t, leaving out the rows and columns that the mask makes irrelevant."""
    n_markers, linears = len(order), layer.linears(layer.phi)
    n_covariates = state[f"{prefix}.sfun.0.weight"].shape[1] - n_markers
    inputs = torch.cat([order[layer.kept], n_markers + torch.arange(n_covariates)])
    outputs = order[layer.transformed]
    for net, name in enumerate(["sfun", "tfun"]):
        for k in range(len(linears)):
            weight = state[f"{prefix}.{name}.{2 * k}.weight"]
            bias = state[f"{prefix}.{name}.{2 * k}.bias"]
            if k == 0:
                weight = weight[:, inputs]
            if k == len(linears) - 1:
                weight, bias = weight[outputs], bias[outputs]
            own_weight, own_bias = linears[k]
            own_weight[net].copy_(weight.T)
            own_bias[net, 0].copy_(bias)


def _table(state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The table with its NaN restored, and which markers are a continuum."""
    rho = state["module.prior.rho"].clone()
    modes = state["module.prior.modes"][0]
    is_continuum_marker = ((rho != 0) & ((modes - rho).abs() > 1e-6)).any(dim=0)
    rho[state["module.prior.rho_mask"]] = float("nan")
    return rho, is_continuum_marker


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: not a file of tensors written by torch.save ({error})") from None
    prior = ("rho", "rho_mask", "modes", "cov")
    required = {"module.pi_logit", *(f"module.prior.{name}" for name in prior)}
    missing = sorted(required - set(state))
    if missing or not any(_LAYER.fullmatch(key) for key in state):
        raise ValueError(
            f"{path}: not weights of scyan.Scyan.save; missing {', '.join(missing) or 'the flow'}"
        )
    return state
