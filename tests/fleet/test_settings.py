"""Settings of the fleet, and whether the jobs fit them."""

from __future__ import annotations

import pytest

from scyan_exp.errors import InputError
from scyan_exp.fleet.check import check_jobs_fit, check_settings
from tests.fleet.units import job


def test_settings_have_defaults_and_take_what_is_right():
    assert check_settings({}).devices == "auto"
    full = check_settings(
        {
            "engine": "ray",
            "devices": [0, 2],
            "jobs_per_device": 2,
            "threads_per_job": 3,
            "retries": 0,
            "error_retries": 2,
            "timeout_min": 0.5,
            "on_failure": "stop",
            "ray": {"init": {"address": "auto"}, "num_cpus": 2, "num_gpus": 0.5},
        }
    )
    assert (full.devices, full.timeout_min, full.ray.num_gpus) == ([0, 2], 0.5, 0.5)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("retires", 2, "hydra.launcher.retires: unknown key. Did you mean 'retries'?"),
        ("retries", -1, "retries: expected a number greater than or equal to 0, found -1"),
        ("retries", "many", "hydra.launcher.retries: expected an integer, found 'many'"),
        ("jobs_per_device", 0, "expected a number greater than or equal to 1, found 0"),
        ("timeout_min", 0, "hydra.launcher.timeout_min: expected a number greater than 0, found 0"),
        ("on_failure", "halt", "on_failure: expected 'continue' or 'stop', found 'halt'"),
        ("devices", "gpu", "hydra.launcher.devices: expected 'auto' or 'cpu', or a list, found"),
        (
            "devices",
            [-1],
            "hydra.launcher.devices[0]: expected a number greater than or equal to 0",
        ),
        ("engine", "sge", "hydra.launcher.engine: expected 'local' or 'ray' or 'slurm', found"),
        ("slurm", {"partiton": "a"}, "slurm.partiton: unknown key. Did you mean 'partition'"),
        ("slurm", {"gpus_per_node": "a b"}, "hydra.launcher.slurm.gpus_per_node: expected"),
        ("slurm", {"additional_parameters": {"array": 1}}, "long options of sbatch, such as"),
        ("engine", "locale", "found 'locale'. Did you mean 'local'?"),
        ("engine", 3, "hydra.launcher.engine: expected a string, found 3"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(key, value, message):
    with pytest.raises(InputError) as refused:
        check_settings({key: value})
    assert message in str(refused.value)


def test_unknown_keys_of_ray_name_theirs():
    with pytest.raises(InputError) as refused:
        check_settings({"ray": {"num_cpu": 2}})
    assert "hydra.launcher.ray.num_cpu: unknown key. Did you mean 'num_cpus'" in str(refused.value)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(InputError) as refused:
        check_settings({"retries": -1, "devices": "gpu", "nope": 1})
    assert len(refused.value.problems) == 3


def trainer(accelerator: str = "cpu", devices: int | list[int] = 1) -> dict[str, object]:
    return {"accelerator": accelerator, "devices": devices}


@pytest.mark.parametrize(
    ("trainers", "settings", "wants_gpu"),
    [
        ([trainer()], {}, False),
        ([trainer()], {"devices": "cpu"}, False),
        ([trainer("gpu"), trainer("cuda")], {}, True),
        ([trainer("gpu", [0])], {"devices": [3]}, True),
    ],
)
def test_jobs_that_fit_the_fleet(trainers, settings, wants_gpu):
    jobs = [job(i, trainer=one) for i, one in enumerate(trainers)]
    assert check_jobs_fit(jobs, check_settings(settings)) is wants_gpu


def test_jobs_of_other_programs_fit():
    assert check_jobs_fit([job(0)], check_settings({"devices": "cpu"})) is False


@pytest.mark.parametrize(
    ("trainers", "settings", "message"),
    [
        (
            [trainer(), trainer(devices=2)],
            {},
            "job 1: trainer.devices=2: each job of this launcher gets one",
        ),
        (
            [trainer("gpu", [0, 1])],
            {},
            "job 0: trainer.devices=[0, 1]: each job of this launcher gets one",
        ),
        ([trainer("gpu", [1])], {}, "use trainer.devices=1 and hydra.launcher.devices=[1]"),
        ([trainer("gpu"), trainer()], {}, "make them two sweeps"),
        ([trainer("gpu")], {"devices": "cpu"}, "add trainer=cpu"),
        ([trainer()], {"devices": [0]}, "hydra.launcher.devices=[0]: but the jobs train on the"),
    ],
)
def test_jobs_that_do_not_fit_are_named(trainers, settings, message):
    jobs = [job(i, trainer=one) for i, one in enumerate(trainers)]
    with pytest.raises(InputError) as refused:
        check_jobs_fit(jobs, check_settings(settings))
    assert message in str(refused.value)
