"""The same runs on a CUDA device."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch

from scyan_exp.module import ScyanModule

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

ARGUMENTS = ("trainer=gpu", "experiment=smoke", "dataset.n_cells=4000", "logger=none")


def train(scyan_exp, folder, *arguments):
    code, output = scyan_exp("train", *ARGUMENTS, f"hydra.run.dir={folder}", *arguments)
    assert code == 0, output
    return json.loads((folder / "result.json").read_text())


def test_a_gpu_ends_near_the_cpu(scyan_exp, tmp_path):
    on_gpu = train(scyan_exp, tmp_path / "gpu")
    on_cpu = train(scyan_exp, tmp_path / "cpu", "trainer=cpu")
    assert on_gpu["metrics"]["loss"] == pytest.approx(on_cpu["metrics"]["loss"], rel=0.01)


def test_a_run_on_a_gpu_can_be_resumed(scyan_exp, tmp_path):
    train(scyan_exp, tmp_path / "part", "trainer.max_epochs=3")
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    assert train(scyan_exp, tmp_path / "rest", f"ckpt_path={last}")["epochs"] == 5
    weights = pd.read_csv(tmp_path / "rest" / "population_weights.csv")
    assert len(weights) == 5


def test_sampling_with_a_generator_of_the_device():
    rho = torch.tensor([[1.0, -1.0, float("nan")], [-1.0, 1.0, 1.0]])
    module = ScyanModule(rho, 1, torch.zeros(3, dtype=torch.bool), 8, 1, 3, 0.3, 0.5).cuda()
    generator = torch.Generator("cuda").manual_seed(0)
    x, z = module.sample(50, torch.zeros(50, 1).cuda(), return_z=True, generator=generator)
    assert x.is_cuda
    assert z.is_cuda
