"""Sweeps that the fleet refuses before the first job."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def refused(scyan_exp, tmp_path) -> Callable[..., str]:
    """The output of a sweep that must be refused, with nothing trained."""

    def run(*arguments: str) -> str:
        where = ["hydra/launcher=fleet", "hydra.sweep.dir=sweep"]
        code, output = scyan_exp("train", "-m", "logger=none", *where, *arguments)
        assert code == 2, output
        assert "Traceback" not in output
        assert not list((tmp_path / "sweep").glob("*/result.json"))
        assert not list((tmp_path / "sweep").glob("*/train.log"))
        return output

    return run


def test_a_bad_combination_is_named_with_its_jobs(refused):
    """Each value is fine with the first of the others."""
    output = refused("dataset.label_key=population,null", "objective=heuristic,accuracy,f1_macro")
    assert "2 problems" in output
    for job, objective in ((4, "accuracy"), (5, "f1_macro")):
        assert f"job {job} (" in output
        assert f"objective: '{objective}' needs labels" in output
    assert "job 3" not in output


def test_all_bad_values_are_named_at_once(refused):
    output = refused("model.lr=0.1,-1", "trainer.max_epochs=1,0", "model.prior_sdt=0.1,0.2")
    for part in ("model.lr", "trainer.max_epochs", "Did you mean 'model.prior_std'?"):
        assert part in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.launcher.retires=2"], "Did you mean 'hydra.launcher.retries'"),
        (["+hydra.launcher.retires=2"], "Did you mean 'retries'"),
        (["hydra.launcher.retries=many"], "hydra.launcher.retries"),
        (
            ["hydra.launcher.retries=-1"],
            "hydra.launcher.retries: expected a number greater than or equal to 0, found -1",
        ),
        (["hydra.launcher.on_failure=halt"], "expected 'continue' or 'stop'"),
        (
            ["hydra.launcher.devices=gpu"],
            "hydra.launcher.devices: expected 'auto' or 'cpu', or a list, found 'gpu'",
        ),
        (
            ["hydra.launcher.timeout_min=0"],
            "timeout_min: expected a number greater than 0, found 0",
        ),
        (["hydra.launcher.ray.num_cpus=0"], "hydra.launcher.ray"),
    ],
)
def test_wrong_settings_are_refused(refused, arguments, message):
    assert message in refused("seed=0,1", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["trainer=ddp", "seed=0,1"],
            "job 1: trainer.devices=2: each job of this launcher gets one",
        ),
        (["seed=0,1", "hydra.launcher.devices=[0]"], "but the jobs train on the CPU"),
        (["trainer=gpu", "hydra.launcher.devices=cpu"], "but the jobs have trainer=gpu"),
        (["trainer=cpu,gpu"], "make them two sweeps"),
        (["trainer=gpu", "trainer.devices=[1]"], "this launcher chooses the device"),
        (["seed=0,1", "hydra.sweep.subdir=same"], "jobs 0, 1 would share the folder"),
    ],
)
def test_jobs_that_the_fleet_cannot_honour_are_refused(refused, arguments, message):
    assert message in refused(*arguments)


@pytest.mark.parametrize("devices", ["[0]", "auto"])
def test_without_a_gpu_that_is_said(refused, monkeypatch, devices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    output = refused("trainer=gpu", "seed=0,1", f"hydra.launcher.devices={devices}")
    assert f"hydra.launcher.devices={devices}: this machine has no GPU" in output
    assert "Use hydra.launcher.devices=cpu with trainer=cpu" in output
